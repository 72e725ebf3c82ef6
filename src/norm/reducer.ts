// What batch normalization needs of the world: something that folds per-replica sums over a sync
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
  /** Size of a sync group in replicas; 1 leaves each replica alone, Infinity takes all. */
  readonly groupReplicas: number;
}

/** Folds vectors of float64, one for each local replica, over the replicas' sync groups. */
export interface BoundReduction {
  /** Where local replica i's own vector is to be written. */
  leafPtr(localReplica: number): number;
  /** At most one exchange. Every worker has to call it in every step, also without samples. */
  reduce(): void;
  /** Where the folded vector of local replica i's sync group lies after {@link reduce}. */
  resultPtr(localReplica: number): number;
  /** Where the folded vectors of all sync groups lie, in group order. Complete on every worker
   * after the step's gradient barrier, until the next reduce. */
  readonly groupPtrs: readonly number[];
}

/** How many float64 numbers a vector takes. */
export function vectorLength(combine: Combine, channels: number): number {
  return combine === 'moments' ? 1 + 2 * channels : 2 * channels;
}
