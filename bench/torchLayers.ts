// Communicates with the PyTorch peer for single layers: one process for all requests, which waits
// without computing while ours are measured.

import { RunError } from '../src/base/errors.ts';
import { peerProgram, serve } from './served.ts';

export interface PeerTimes {
  readonly min: number;
  readonly p50: number;
}

/** A peer that fails reports it once, and answers undefined from then on. */
export interface TorchLayers {
  /** Milliseconds of BatchNorm2d forward and backward on [N, C, H, W]. */
  time(
    shape: readonly number[],
    seconds: number,
  ): Promise<{ readonly default: PeerTimes; readonly channelsLast: PeerTimes } | undefined>;
  /** Unbiased variances of the channels in a file of float32 rows. */
  variance(
    file: string,
    channels: number,
  ): Promise<{ readonly variance: readonly number[] } | undefined>;
  /** Conv2d of 3x3 with padding 1 in float32, forward and backward. Each file holds float32 numbers
   * in our layout; those of `y`, `dx` and `dweight` are written. */
  convolve(
    request: Readonly<Record<'x' | 'weight' | 'dy' | 'y' | 'dx' | 'dweight', string>> & {
      /** [N, H, W, IC]. */
      readonly shape: readonly number[];
      readonly outChannels: number;
    },
  ): Promise<{ readonly written: true } | undefined>;
  close(): Promise<void>;
}

export function startTorchLayers(python: string): TorchLayers {
  const { ask: askOnce, close } = serve('PyTorch', python, [peerProgram('torch_layers.py')]);
  let hasFailed = false;
  const ask = async <Answer>(request: object, seconds = 0): Promise<Answer | undefined> => {
    if (hasFailed) return undefined;
    try {
      return await askOnce<Answer>(JSON.stringify(request), seconds);
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      hasFailed = true;
      console.error(`${error.message}\nContinuing without PyTorch.`);
      return undefined;
    }
  };
  return {
    time: (shape, seconds) => ask({ op: 'time', shape, seconds }, seconds),
    variance: (file, channels) => ask({ op: 'variance', file, channels }),
    convolve: (request) => ask({ op: 'convolve', ...request }),
    close,
  };
}
