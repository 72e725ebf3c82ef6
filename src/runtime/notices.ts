// What a user should know before a run starts although nothing is wrong: said once, in one place.
// Each finding is a function from the run to a sentence, or to none.

import type { Dataset } from '../data/dataset.ts';
import { keptNorms, type NormRequest } from '../nn/convertNorm.ts';
import { localBatchNorms } from '../nn/normLeaf.ts';
import type { RunConfig } from '../train/config.ts';

/** What notices are about. */
export interface NoticeSubject {
  readonly config: RunConfig;
  readonly data: Dataset;
  /** What the caller asked for; `config.model` has been converted. */
  readonly norm: NormRequest | undefined;
  /** Whether the run goes on from a checkpoint, so that its settings are known. */
  readonly isResumed: boolean;
}

/** One finding; undefined when there is nothing to say. */
export type NoticeFinder = (subject: NoticeSubject) => string | undefined;

const LISTED = 3;

const FINDERS: readonly NoticeFinder[] = [localNorms, keptKinds];

/** Batch normalization without synchronization that may not be meant. */
function localNorms({ config, norm, isResumed }: NoticeSubject): string | undefined {
  const { replicas, globalBatch } = config;
  const paths = localBatchNorms(config.model);
  if (replicas < 2 || norm !== undefined || isResumed || paths.length === 0) return undefined;
  const own = Math.ceil(globalBatch / replicas);
  return (
    `Batch statistics are not synchronized in ${listed(paths)}: each of the ${replicas} replicas ` +
    `normalizes its ${own} samples alone, not all ${globalBatch} together. To synchronize, pass ` +
    "norm: { to: 'sync' } (--norm sync) or give the layers sync: 'sync'; if this is intended, " +
    "norm: { to: 'local' } (--norm local) says so."
  );
}

/** Normalizations that a conversion leaves as they are. */
function keptKinds({ config, norm }: NoticeSubject): string | undefined {
  const kept = norm === undefined ? [] : keptNorms(config.model, norm);
  if (kept.length === 0) return undefined;
  const names = kept.map(({ path, kind }) => `${path} (${kind})`);
  return (
    `norm: { to: '${norm!.to}' } keeps ${listed(names)} as they are; kinds: 'all' ` +
    '(--norm-kinds all), or a list of kinds, converts them, too.'
  );
}

function listed(names: readonly string[]): string {
  const rest = names.length - LISTED;
  return `${names.slice(0, LISTED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

/** All that is worth saying about a run, as sentences. */
export function noticesOf(subject: NoticeSubject): readonly string[] {
  return FINDERS.map((find) => find(subject)).filter((notice) => notice !== undefined);
}

/** Where notices go unless the caller takes them: Node's warnings, on stderr. */
export function giveNotice(notice: string): void {
  process.emitWarning(notice, 'SyncbnNotice');
}
