// What a user should know before a run starts even though nothing is wrong. Each finding is a
// function from the run to a sentence, or to undefined if it does not apply.

import { listed } from '../base/show.ts';
import type { CheckpointHead } from '../checkpoint/checkpoint.ts';
import { isChunked, type TrainingData } from '../data/chunked/chunkedDataset.ts';
import { dataNotices } from '../data/notices.ts';
import { chooseBuild } from '../kernels/builds.ts';
import { WIDE_VARIABLE } from '../kernels/engine.ts';
import { engineName, kernelsOf } from '../kernels/identity.ts';
import { keptNorms } from '../nn/convert/convertNorm.ts';
import { localBatchNorms } from '../nn/convert/normLeaf.ts';
import type { NormRequest } from '../nn/convert/normRequest.ts';
import type { RunConfig } from '../plan/config.ts';

/** What notices are about. */
export interface NoticeSubject {
  readonly config: RunConfig;
  readonly data: TrainingData;
  /** What the caller asked for; `config.model` has been converted. */
  readonly norm: NormRequest | undefined;
  /** The checkpoint that a resumed run comes from, with its settings. */
  readonly resumed: CheckpointHead | undefined;
}

/** Returns one finding; undefined if it does not apply. */
export type NoticeFinder = (subject: NoticeSubject) => string | undefined;

/** Batch normalization without synchronization that may be unintended. */
function localNorms({ config, norm, resumed }: NoticeSubject): string | undefined {
  const { replicas, globalBatch } = config;
  const paths = localBatchNorms(config.model);
  if (replicas < 2 || norm !== undefined || resumed !== undefined || paths.length === 0)
    return undefined;
  const own = Math.ceil(globalBatch / replicas);
  return (
    `Batch statistics are not synchronized in ${listed(paths)}: each of the ${replicas} replicas ` +
    `normalizes its own ${own} samples, not all ${globalBatch} together. To synchronize, pass ` +
    "norm: { to: 'sync' } (--norm sync) or give the layers sync: 'all'; if this is intended, " +
    "norm: { to: 'local' } (--norm local) confirms it."
  );
}

/** Normalizations that a conversion leaves unchanged. */
function keptKinds({ config, norm }: NoticeSubject): string | undefined {
  const kept = norm === undefined ? [] : keptNorms(config.model, norm);
  if (kept.length === 0) return undefined;
  const names = kept.map(({ path, kind }) => `${path} (${kind})`);
  return (
    `norm: { to: '${norm!.to}' } keeps ${listed(names)} unchanged; kinds: 'all' ` +
    '(--norm-kinds all), or a list of kinds, converts them, too.'
  );
}

/** The last bits of `fast` numbers depend on the engine. */
function otherEngine({ config, resumed }: NoticeSubject): string | undefined {
  const writer = resumed?.writtenBy;
  if (writer === undefined) return undefined;
  const [was, is] = [writer.kernels, kernelsOf(config.mode)];
  const isSameEngine = config.mode === 'strict' || writer.engine === engineName();
  if (was === is && isSameEngine) return undefined;
  const before = `syncbn ${writer.library}, kernels ${was}, Node ${writer.node} (${writer.engine})`;
  const now = `kernels ${is}, Node ${process.versions.node} (${engineName()})`;
  return (
    `The checkpoint was written by ${before}; this is ${now}. ` +
    'The run continues from the same weights, but its last bits may differ from those of a run ' +
    'that used only one of them.'
  );
}

/** A fault of V8 or the processor that was found before it could affect results. */
function otherBits({ config }: NoticeSubject): string | undefined {
  const { build, differing } = chooseBuild(config.mode);
  if (differing === undefined) return undefined;
  return (
    `The ${build} kernels run, not the wide ones: with packed vectors, ${differing} gave other ` +
    `bits on this machine (Node ${process.versions.node}, ${engineName()}). No result is wrong, ` +
    `but this is worth a report; ${WIDE_VARIABLE}=0 (--no-wide) skips the check.`
  );
}

const FINDERS: readonly NoticeFinder[] = [otherBits, otherEngine, localNorms, keptKinds];

/** All findings about a run, as sentences. */
export function noticesOf(subject: NoticeSubject): readonly string[] {
  const found = FINDERS.map((find) => find(subject)).filter((notice) => notice !== undefined);
  const { data } = subject;
  return [...(isChunked(data) ? (data.notices ?? []) : dataNotices(data)), ...found];
}

/** Where notices go by default: Node's warnings, on stderr. */
export function giveNotice(notice: string): void {
  process.emitWarning(notice, 'SyncbnNotice');
}
