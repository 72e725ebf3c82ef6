// A reduction over the ranks of a group, through its public calls alone: one allGather, then the
// tree over the ranks, folded by everybody alike. It is the tree of a trainer with one replica on
// each rank, so the bits are the same.

import { splitSize } from '../base/tree.ts';
import type { Combine } from '../norm/reducer.ts';
import { type BoundReduction, vectorLength } from '../norm/reducer.ts';
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
  const { kernels } = work;
  const length = vectorLength(combine, channels);
  const { own, gathered } = work.exchangeBuffers(group.worldSize, length);
  const { byteOffset: ownPtr } = own;
  const { byteOffset: gatheredPtr } = gathered;
  const folds = foldsOver(0, group.worldSize);
  return {
    leafPtr: () => ownPtr,
    publish() {},
    exchange() {
      group.allGather(own, gathered, { label });
    },
    finish() {
      for (const [into, from] of folds) {
        const intoPtr = gatheredPtr + into * own.byteLength;
        const fromPtr = gatheredPtr + from * own.byteLength;
        if (combine === 'moments') kernels.mergeMoments(intoPtr, intoPtr, fromPtr, channels);
        else kernels.addF64(intoPtr, intoPtr, fromPtr, length);
      }
    },
    resultPtr: () => gatheredPtr,
    groupPtrs: [gatheredPtr],
  };
}

/** The folds of the subtree over [lo, hi), in order; its result takes the place of the first. */
function foldsOver(lo: number, hi: number): readonly (readonly [into: number, from: number])[] {
  if (hi - lo === 1) return [];
  const mid = lo + splitSize(hi - lo);
  return [...foldsOver(lo, mid), ...foldsOver(mid, hi), [lo, mid]];
}
