// The interface that batch normalization depends on: it folds the sums of grains over a sync group.
// It hides threads: a reduction within each replica and one that exchanges across workers look the
// same. SyncBN is BatchNorm with a different reduction, not different math.

/** `moments`: (count, mean[C], M2[C]), merged by Chan, Golub and LeVeque 1979. `sums`: 2 C plain
 * sums. */
export type Combine = 'moments' | 'sums';

/** A reduction that a layer declares. */
export interface ReductionDeclaration {
  readonly name: string;
  readonly combine: Combine;
  readonly channels: number;
  /** Size of a sync group in replicas; 1 leaves each replica alone, Infinity takes all. `none`
   * folds nothing: the vectors of all grains stay separate. */
  readonly groupReplicas: number | 'none';
  /** For sums: whether they are over values within the layer, so they are needed whenever it runs
   * backward, not only for the gradient of its input. Default false. */
  readonly isInner?: boolean;
}

/** Folds float64 vectors, one for each local grain, over the sync groups. Every worker must call
 * the three parts in this order in every step, even without samples. */
export interface BoundReduction {
  /** The address to write the vector of a local grain to. */
  leafPtr(grain: number): number;
  /** Folds this worker's vectors as far as possible without other workers, which read them in
   * `finish`. All workers must synchronize once more before they are overwritten in the next step
   * or batch. */
  publish(): void;
  /** At most one synchronization. Afterward everything that was published may be read. */
  exchange(): void;
  /** Folds the vectors that all workers have published. */
  finish(): void;
  /** The sync groups that have grains here, in order. */
  readonly groups: readonly BoundGroup[];
  /** For a micro-batch with groups that extend beyond it: what all micro-batches of the worker do
   * together once each has published, instead of `exchange` and `finish`. */
  readonly ofWorker?: BoundReduction | undefined;
  /** The addresses of the folded vectors of all sync groups, in group order. Complete on every
   * worker after the step's gradient barrier, until the next `publish`. */
  readonly groupPtrs: readonly number[];
}

/** A sync group's part on one worker. */
export interface BoundGroup {
  /** Its local grains: `lo` up to but not including `hi`. */
  readonly lo: number;
  readonly hi: number;
  /** The address of the group's vector after {@link BoundReduction.finish}. */
  readonly resultPtr: number;
}

/** All three parts of a reduction. */
export function reduce(reduction: BoundReduction): void {
  reduction.publish();
  reduction.exchange();
  reduction.finish();
}

/** A pass of a layer, cut at an exchange. */
export interface SplitPass {
  /** The part up to the vectors of the local grains. */
  before(): void;
  readonly reduction: BoundReduction;
  /** The part from the folded vectors on. */
  after(): void;
}

/** The training passes of a layer that exchanges, each as a list of parts in order. */
export interface ExchangingPasses {
  readonly forward: readonly SplitPass[];
  /** Empty if it exchanges nothing. */
  readonly backward: readonly SplitPass[];
  /** Whether forward is the same in evaluation as in training. */
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

/** The number of float64 values in a vector. */
export function vectorLength(combine: Combine, channels: number): number {
  return combine === 'moments' ? 1 + 2 * channels : 2 * channels;
}
