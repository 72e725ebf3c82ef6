// Finds and runs the peers, which are no dependencies: a benchmark says which are missing and goes
// on without them. Here PyTorch DistributedDataParallel over gloo, as Debian's python3-torch has
// it.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RunError } from '../src/base/errors.ts';
import type { Summary } from './stats.ts';

/** Debian's, which python3-torch is for. */
export const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('./peers/torch_ddp.py', import.meta.url));
const PROBE =
  'import torch, torch.distributed as d; assert d.is_available() and d.is_gloo_available(); ' +
  'print(torch.__version__)';
const PROBE_TIMEOUT_MS = 60_000;
/** Beyond the measured time: two starts of Python, the check of its SyncBatchNorm, warming up. */
const GRACE_MS = 300_000;

/** PyTorch, or why it is missing. */
export type TorchPeer = { readonly version: string } | { readonly missing: string };

export interface PeerSetting {
  readonly net: string;
  readonly norm: string;
  readonly replicas: number;
  readonly replicaBatch: number;
}

export interface PeerFigures {
  readonly imagesPerSecond: number;
  readonly msPerStep: Summary;
  /** Of one thread each. */
  readonly processes: number;
  /** The faster of its two memory formats. */
  readonly format: string;
}

export async function findTorch(): Promise<TorchPeer> {
  if (!existsSync(PYTHON)) return { missing: `no ${PYTHON}` };
  try {
    const { stdout } = await promisify(execFile)(PYTHON, ['-c', PROBE], {
      timeout: PROBE_TIMEOUT_MS,
    });
    return { version: stdout.trim() };
  } catch {
    return { missing: `no torch with gloo in ${PYTHON} (Debian: python3-torch)` };
  }
}

/** Trains the same net with a process for each replica and measures its steps. Throws a RunError
 * with what the peer wrote when it fails. */
export async function runTorch(setting: PeerSetting, seconds: number): Promise<PeerFigures> {
  const { net, norm, replicas, replicaBatch } = setting;
  const flags = {
    '--net': net,
    '--norm': norm,
    '--replicas': replicas,
    '--replica-batch': replicaBatch,
    '--seconds': seconds,
    '--format': 'fastest',
  };
  const args = [SCRIPT, ...Object.entries(flags).flatMap(([flag, value]) => [flag, `${value}`])];
  try {
    const { stdout } = await promisify(execFile)(PYTHON, args, {
      timeout: Math.ceil(seconds * 1000) + GRACE_MS,
    });
    return JSON.parse(stdout) as PeerFigures;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new RunError({ reason: `the peer failed: ${stderr ?? error}` }, { cause: error });
  }
}
