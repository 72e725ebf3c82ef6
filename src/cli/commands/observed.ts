// A run as its observers see it: its description, and the calls that they receive.

import { isNorm, normName, normsOf } from '../../nn/convert/normLeaf.ts';
import { type LayerSpec, leafPaths, leavesOf } from '../../nn/specs/spec.ts';
import type { RunFacts, RunState } from '../../report/history.ts';
import type { Progress } from '../../runtime/progress.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import type { StartEvent } from '../output/events.ts';
import { typedCommand } from '../output/outFolder.ts';

export interface ObservedRun {
  readonly trainer: Trainer;
  readonly start: StartEvent;
}

export interface Observer {
  /** Observes the run after this many seconds of training. */
  look(progress: Progress, seconds: number): void;
  /** Writes what is left to write, and reports it. */
  end(state: RunState): Promise<void>;
}

/** Facts that are known before the first step. */
export function factsOf({ trainer, start }: ObservedRun): RunFacts {
  const { config } = trainer;
  const { optimizer, schedule } = config;
  const scaling = start.lrScaling === null ? '' : ` (scaled ${start.lrScaling})`;
  const settings: readonly (readonly [string, string])[] = [
    ['model', `${start.model}, ${start.parameters} parameters`],
    ['data', start.data],
    ['replicas', `${start.replicas}`],
    ['workers', `${start.workers}`],
    ['samples of a full step', `${start.globalBatch}`],
    ...(start.microBatches === 1 ? [] : [['micro-batches', `${start.microBatches}`] as const]),
    ['steps of an epoch', `${start.stepsPerEpoch}`],
    ['epochs', `${start.epochs}`],
    ['optimizer', `${optimizer.kind}, learning rate ${optimizer.lr}${scaling}, ${schedule.kind}`],
    ['seed, numbers', `${start.seed}, ${start.mode}`],
    ['norms', showNorms(config.model)],
    ...(start.step === 0 ? [] : [['steps done before', `${start.step}`] as const]),
  ];
  const title = `${start.model} on ${start.data}`;
  return {
    title,
    command: typedCommand(),
    settings,
    globalBatch: start.globalBatch,
  };
}

/** A single name if all norms are equal, otherwise each with its path. */
function showNorms(model: LayerSpec): string {
  const kinds = normsOf(model);
  if (kinds.length < 2) return kinds[0] ?? 'none';
  const paths = leafPaths(model);
  return leavesOf(model)
    .flatMap((leaf, i) => (isNorm(leaf) ? [`${paths[i]} ${normName(leaf)}`] : []))
    .join('; ');
}
