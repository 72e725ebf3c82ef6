// `npm run bench -- norm`: flags in, tables out.

import { describeMachine } from './machine.ts';
import { measureNorms, NORM_SHAPES, type NormResult } from './norm.ts';
import { seconds } from './options.ts';
import { finish, type OutputFlags, type Row } from './output.ts';
import { findTorch, pythonOf, showTorch } from './torch.ts';
import { startTorchLayers, type TorchLayers } from './torchLayers.ts';

const ROUNDS = 3;
const DEFAULT_SECONDS = 3;
const SMOKE_SECONDS = 0.001;

export interface PeerFlags extends OutputFlags {
  readonly torch?: unknown;
  readonly peers: boolean;
}

/** Starts the peer if it is installed and requested, and ends it after `measure`. */
export async function withTorchLayers<Result>(
  flags: PeerFlags,
  measure: (torch: TorchLayers | undefined) => Promise<Result>,
): Promise<{ readonly result: Result; readonly version: string | null }> {
  const isAsked = flags.peers && flags.smoke !== true;
  const python = pythonOf(flags.torch);
  const found = isAsked ? await findTorch(python) : { missing: 'not asked for' };
  if ('missing' in found) {
    console.error(`Without PyTorch: ${found.missing}.`);
    return { result: await measure(undefined), version: null };
  }
  const torch = startTorchLayers(python);
  try {
    return { result: await measure(torch), version: showTorch(found.build) };
  } finally {
    await torch.close();
  }
}

export async function norm(flags: PeerFlags & { readonly seconds?: unknown }): Promise<void> {
  const isSmoke = flags.smoke === true;
  const times = isSmoke
    ? { seconds: SMOKE_SECONDS, rounds: 1 }
    : { seconds: seconds('--seconds', flags.seconds ?? DEFAULT_SECONDS), rounds: ROUNDS };
  // The smallest shape that uses all kernels.
  const shapes = isSmoke ? NORM_SHAPES.filter(([, channels]) => channels === 32) : NORM_SHAPES;
  const machineBefore = describeMachine({ torch: null });
  const { result: results, version } = await withTorchLayers(flags, (torch) =>
    measureNorms(shapes, times, torch, (result) => {
      console.error(`batch norm of ${result.shape}`);
      if (flags.json) console.log(JSON.stringify(result));
    }),
  );
  const machine = { ...machineBefore, torch: version };
  finish({ name: 'norm', flags, machine, rows: results.map(rowOf), results });
}

function rowOf(result: NormResult): Row {
  const { torchMs, torchChannelsLastMs, timesTorch, timesTorchChannelsLast } = result;
  return {
    'N x C x H x W': result.shape,
    'ms p50': result.msP50,
    min: result.msMin,
    'GB/s': result.gigabytesPerSecond,
    'loops GB/s': result.loopsGigabytesPerSecond,
    'of loops': `${Math.round(100 * result.share)} %`,
    'torch ms': torchMs ?? '-',
    'times torch': timesTorch ?? '-',
    'torch channels last ms': torchChannelsLastMs ?? '-',
    'times it': timesTorchChannelsLast ?? '-',
  };
}
