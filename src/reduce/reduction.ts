// What batch normalization needs of the world: something that folds the sums of grains over a sync
// group. It knows no threads: a reduction that leaves each replica alone and one that exchanges
// across workers look the same to it. SyncBN is BatchNorm with another reduction, not other maths.

/** `moments`: (count, mean[C], M2[C]), merged by Chan, Golub and LeVeque 1979. `sums`: 2 C plain
 * sums. */
export type Combine = 'moments' | 'sums';

/** A reduction that a layer wants to be planned. */
export interface ReductionDeclaration {
  readonly name: string;
  readonly combine: Combine;
  readonly channels: number;
  /** Size of a sync group in replicas; 1 leaves each replica alone, Infinity takes all. `none`
   * folds nothing: the vectors of all grains stay as they are. */
  readonly groupReplicas: number | 'none';
  /** Of sums: whether they are of values within the layer, so that they are taken whenever it runs
   * backward, and not only for the gradient of its input. Default false. */
  readonly isInner?: boolean;
}

/** Folds vectors of float64, one for each local grain, over the sync groups: in three parts, which
 * every worker has to call in this order in every step, also without samples. */
export interface BoundReduction {
  /** Where the vector of a local grain is to be written. */
  leafPtr(grain: number): number;
  /** Folds this worker's vectors as far as they go without the others, who read them in `finish`:
   * before they are written anew, in the next step or batch, all have to synchronize once more. */
  publish(): void;
  /** At most one synchronization: from then on all that was published may be read. */
  exchange(): void;
  /** Folds what all have published. */
  finish(): void;
  /** The sync groups that have grains here, in order. */
  readonly groups: readonly BoundGroup[];
  /** Of a micro-batch whose groups reach beyond it: what all micro-batches of the worker do
   * together once each has published, in place of `exchange` and `finish`. */
  readonly ofWorker?: BoundReduction | undefined;
  /** Where the folded vectors of all sync groups lie, in group order. Complete on every worker
   * after the step's gradient barrier, until the next `publish`. */
  readonly groupPtrs: readonly number[];
}

/** A sync group's part on one worker. */
export interface BoundGroup {
  /** Its local grains: `lo` up to, not including, `hi`. */
  readonly lo: number;
  readonly hi: number;
  /** Where the group's vector lies after {@link BoundReduction.finish}. */
  readonly resultPtr: number;
}

/** All three parts of a reduction. */
export function reduce(reduction: BoundReduction): void {
  reduction.publish();
  reduction.exchange();
  reduction.finish();
}

/** A pass over a layer that is cut where it exchanges. */
export interface SplitPass {
  /** Up to the vectors of the local grains. */
  before(): void;
  readonly reduction: BoundReduction;
  /** From the folded vectors on. */
  after(): void;
}

/** The passes of training of a layer that exchanges, each as what it consists of, in order. */
export interface ExchangingPasses {
  readonly forward: readonly SplitPass[];
  /** Empty when it exchanges nothing. */
  readonly backward: readonly SplitPass[];
  /** Whether forward in evaluation is that of training. */
  readonly inEvaluation: boolean;
}

/** A whole pass. */
export function runSplits(passes: readonly SplitPass[]): void {
  for (let i = 0; i < passes.length; i++) {
    const pass = passes[i]!;
    pass.before();
    reduce(pass.reduction);
    pass.after();
  }
}

/** How many float64 numbers a vector takes. */
export function vectorLength(combine: Combine, channels: number): number {
  return combine === 'moments' ? 1 + 2 * channels : 2 * channels;
}
