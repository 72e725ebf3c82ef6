// PyTorch as a peer: which interpreters have it and how each one was built. An interpreter is any
// command that takes a Python program and its arguments, including a script that enters another
// system.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { UsageError } from '../src/base/errors.ts';
import { lastLines, PEER_FOLDER, peerProgram } from './served.ts';

/** Debian's interpreter, which python3-torch is for. */
const DEFAULT_PYTHON = '/usr/bin/python3';
const PROBE_TIMEOUT_MS = 60_000;

/** The flag of the commands that compare with PyTorch: its name and help text. */
export const TORCH_OPTION = [
  '--torch <pythons>',
  `Interpreters with PyTorch as a peer; default ${DEFAULT_PYTHON}`,
] as const;

/** What a figure of PyTorch depends on. */
export interface TorchBuild {
  readonly version: string;
  /** The library if the system reports it, otherwise the interface that it was built for. */
  readonly blas: string;
  readonly oneDnn: string;
  /** The vector instructions that it uses. */
  readonly capability: string;
  /** Version of torchvision, if it is installed. */
  readonly torchvision?: string;
}

/** PyTorch of one interpreter. */
export interface Torch {
  readonly python: string;
  readonly build: TorchBuild;
}

/** The interpreters in `--torch`, which may be repeated and may be a list. */
export function pythonsOf(flag: unknown): readonly string[] {
  if (flag === undefined) return [DEFAULT_PYTHON];
  const names = [flag].flat().flatMap((given) => String(given).split(','));
  const pythons = names.map((name) => {
    const isPath = name.includes('/');
    if (isPath ? existsSync(name) : name !== '') return isPath ? resolve(name) : name;
    throw new UsageError({ what: '--torch', given: name, allowed: 'commands that run Python' });
  });
  return [...new Set(pythons)];
}

/** The one interpreter of a command that compares with a single PyTorch. */
export function pythonOf(flag: unknown): string {
  const pythons = pythonsOf(flag);
  if (pythons.length === 1) return pythons[0]!;
  throw new UsageError({ what: '--torch', given: pythons, allowed: 'a single one here' });
}

/** The PyTorch of an interpreter, or why it has none. */
export async function findTorch(python: string): Promise<Torch | { readonly missing: string }> {
  const ask = [peerProgram('torch_build.py')];
  const options = { timeout: PROBE_TIMEOUT_MS, cwd: PEER_FOLDER };
  try {
    const { stdout } = await promisify(execFile)(python, ask, options);
    // Its libraries may print messages about the machine first.
    return { python, build: JSON.parse(lastLines(stdout, 1)) as TorchBuild };
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    const why = lastLines(stderr || String(error), 1);
    return { missing: `none with gloo in ${python} (Debian: python3-torch): ${why}` };
  }
}

/** PyTorch of each interpreter that has it; reports which do not. */
export async function findTorches(pythons: readonly string[]): Promise<readonly Torch[]> {
  const found: Torch[] = [];
  for (const python of pythons) {
    const torch = await findTorch(python);
    if ('missing' in torch) console.error(`Without PyTorch: ${torch.missing}.`);
    else found.push(torch);
  }
  return found;
}

/** For display: `PyTorch 2.6.0 (BLAS generic, oneDNN 3.7.2, AVX512)`. */
export function showTorch({ version, blas, oneDnn, capability }: TorchBuild): string {
  return `${version} (BLAS ${blas}, oneDNN ${oneDnn}, ${capability})`;
}
