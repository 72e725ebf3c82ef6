// Whether a run's data is read into memory or in chunks during the run. Decided by the flags, by
// the checkpoint, or by the size of a packed set.

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import type { CheckpointHead } from '../../checkpoint/checkpoint.ts';
import { isChunked, type TrainingData } from '../../data/chunked/chunkedDataset.ts';
import { MAX_FILE_BYTES } from '../../data/formats/files.ts';
import { SET_FILE } from '../../data/images/setContent.ts';
import { openChunked } from '../../data/openChunked.ts';
import type { RunConfig } from '../../plan/config.ts';
import type { Flags } from './flags.ts';
import { DEFAULTS, dataFrom } from './settings.ts';

/** A set that takes a larger fraction of the available memory is read in chunks. */
const MEMORY_SHARE = 0.25;

/** Flags that need all samples in memory. */
const WHOLE_FLAGS = ['test-split', 'shards', 'validation-split'] as const;

/** The data that the flags ask for, read in the same way as for the checkpoint if one is
 * resumed. */
export async function trainingDataFrom(
  flags: Flags,
  saved?: Pick<CheckpointHead, 'data' | 'run'>,
): Promise<TrainingData> {
  const path = flags.text('data') ?? DEFAULTS.data;
  const isAsked = flags.has('window') || saved?.run.window !== undefined;
  if (!(await isStreamed(flags, path, isAsked))) return dataFrom(flags, saved?.data);
  const wrong = WHOLE_FLAGS.find((flag) => flags.has(flag));
  if (wrong !== undefined) {
    const problem = `needs all samples in memory, but ${path} is read in chunks`;
    throw new UsageError({ what: `--${wrong}`, problem, hint: 'leaving it out' });
  }
  const limit = flags.integer('limit', 1);
  return openChunked(path, { ...windowOf(flags, saved), ...(limit !== undefined && { limit }) });
}

/** Whether data is read in chunks: on request, or if it is large. */
export async function isStreamed(flags: Flags, path: string, isAsked = false): Promise<boolean> {
  const bytes = await packedBytes(path);
  const most = Math.min(MAX_FILE_BYTES, process.availableMemory() * MEMORY_SHARE);
  if (!isAsked && !flags.isSet('stream')) return (bytes ?? 0) > most;
  if (bytes !== undefined) return true;
  throw new UsageError({
    what: flags.has('window') ? '--window' : '--stream',
    given: `data ${path}`,
    allowed: 'a packed set, which can be read in chunks',
    hint: 'syncbn pack, or without it',
  });
}

/** The requested window, or the checkpoint's, which may be all samples. */
function windowOf(
  flags: Flags,
  saved: Pick<CheckpointHead, 'data' | 'run'> | undefined,
): { readonly window?: number } {
  const asked = flags.integer('window', 1);
  if (asked !== undefined) return { window: asked };
  if (saved === undefined) return {};
  const { window } = saved.run;
  return {
    window: window === undefined ? saved.data.countTrain : window.chunks * window.chunkSamples,
  };
}

/** Bytes of a packed set's training inputs; undefined for anything else. */
async function packedBytes(path: string): Promise<number | undefined> {
  const sizeOf = async (name: string): Promise<number | undefined> =>
    (await stat(join(path, name)).catch(() => undefined))?.size;
  return (await sizeOf(SET_FILE)) === undefined ? undefined : await sizeOf('x_train.npy');
}

/** `read in chunks, shuffled among 20000 samples`; null for data in memory. */
export function showStream(
  data: TrainingData,
  { window }: Pick<RunConfig, 'window'>,
): string | null {
  if (!isChunked(data)) return null;
  if (window === undefined) return 'read in chunks, which stay in memory';
  const samples = window.chunks * window.chunkSamples;
  return `read in chunks, shuffled within windows of ${samples} samples`;
}
