// A reduction over the ranks of a group that uses only its public calls: one allGather, then each
// rank folds the same tree over the ranks. It is the tree of a trainer with one grain on each rank,
// so the bits are the same.

import { bindCombine } from '../reduce/exchange.ts';
import { foldsInPlace } from '../reduce/folds.ts';
import { type BoundReduction, type Combine, vectorLength } from '../reduce/reduction.ts';
import type { Group } from '../sync/group.ts';
import type { Workspace } from './workspace.ts';

export interface ExchangeOptions {
  readonly group: Group;
  readonly combine: Combine;
  readonly channels: number;
  readonly label: string;
}

/** Binds a reduction to a group. */
export function bindExchange(work: Workspace, options: ExchangeOptions): BoundReduction {
  const { group, combine, channels, label } = options;
  const length = vectorLength(combine, channels);
  const { own, gathered } = work.exchangeBuffers(group.worldSize, length);
  const { byteOffset: ownPtr, byteLength } = own;
  const { byteOffset: gatheredPtr } = gathered;
  const ranks = { lo: 0, hi: group.worldSize };
  const folds = foldsInPlace(ranks, (rank) => gatheredPtr + rank * byteLength);
  const run = bindCombine(work.kernels, combine, channels);
  return {
    leafPtr: () => ownPtr,
    publish() {},
    exchange() {
      group.allGather(own, gathered, { label });
    },
    finish: () => run(folds),
    groups: [{ lo: 0, hi: 1, resultPtr: gatheredPtr }],
    groupPtrs: [gatheredPtr],
  };
}

/** The same reduction without exchanges: each rank keeps its own vectors. */
export function withoutExchange(reduction: BoundReduction): BoundReduction {
  const ownPtr = reduction.leafPtr(0);
  return {
    leafPtr: reduction.leafPtr,
    publish() {},
    exchange() {},
    finish() {},
    groups: [{ lo: 0, hi: 1, resultPtr: ownPtr }],
    groupPtrs: [ownPtr],
  };
}
