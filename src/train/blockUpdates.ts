// The optimizer over a worker's blocks. Optimizers that adapt their rate to each tensor need norms
// of whole tensors, which may have blocks on several workers. Each worker writes the sums of its
// blocks, one synchronization publishes them, and they are added in block order, so the ratio does
// not depend on the owners.

import { viewOf } from '../memory/arena.ts';
import { RATE_TRUST } from '../optim/kind.ts';
import type { BoundOptimizer, OptimizerBlock, TensorTrust } from '../optim/optimizers.ts';
import type { ParameterEntry } from '../plan/parameters.ts';
import type { RunPlan } from '../plan/plan.ts';
import { TRUST_SUMS } from '../plan/regions.ts';
import { prepareCall } from '../sync/call.ts';
import type { Member } from '../sync/group.ts';
import type { BoundRule } from './rules.ts';

interface IndexedBlock extends OptimizerBlock {
  /** Its index among all blocks. */
  readonly index: number;
  /** Index of its update rule; the same for all blocks of a tensor. */
  readonly rule: number;
}

interface BlockUpdatesSetup {
  readonly plan: RunPlan;
  readonly memory: WebAssembly.Memory;
  readonly member: Member;
  readonly rules: readonly BoundRule[];
}

/** This worker's blocks of one tensor, and the indices of all of its blocks. */
interface OwnedTensor {
  readonly entry: ParameterEntry;
  readonly blocks: IndexedBlock[];
  readonly lo: number;
  readonly hi: number;
}

/** Returns a function that updates a worker's blocks, with one synchronization if the optimizer
 * computes norms of tensors. */
export function bindBlockUpdates(
  setup: BlockUpdatesSetup,
  blocks: readonly IndexedBlock[],
): () => void {
  const { rules } = setup;
  const trusted = rules.flatMap(({ optimizer: { trust, update }, rates }) => {
    return trust === undefined ? [] : [{ trust, update, rates }];
  });
  // All rules have the same kind of optimizer.
  if (trusted.length > 0) return bindTrusted(setup, blocks, trusted);
  return () => {
    for (const block of blocks) rules[block.rule]!.optimizer.update(block);
  };
}

/** A rule with an optimizer that computes norms of tensors. */
interface TrustedRule {
  readonly trust: TensorTrust;
  readonly update: BoundOptimizer['update'];
  readonly rates: Float64Array;
}

function bindTrusted(
  { plan, memory, member }: BlockUpdatesSetup,
  blocks: readonly IndexedBlock[],
  rules: readonly TrustedRule[],
): () => void {
  const region = plan.regions.parameters.trustSums!;
  const all = viewOf(memory, region);
  const tensors = ownedTensors(plan, blocks);
  const call = prepareCall({ kind: 'norms of tensors', length: all.length });
  const sums = new Float64Array(TRUST_SUMS);
  return () => {
    for (const block of blocks) {
      rules[block.rule]!.trust.prepare(block, region.offsetBytes + block.index * TRUST_SUMS * 8);
    }
    member.sync(call);
    for (const { entry, blocks: owned, lo, hi } of tensors) {
      const { trust, update, rates } = rules[owned[0]!.rule]!;
      if (entry.role === 'weight' || trust.adaptsNormAndBias) {
        sums.fill(0);
        for (let at = lo * TRUST_SUMS; at < hi * TRUST_SUMS; at += TRUST_SUMS) {
          sums[0]! += all[at]!;
          sums[1]! += all[at + 1]!;
        }
        trust.writeRatio(sums, owned[0]!.decays, rates);
      } else rates[RATE_TRUST] = 1;
      for (const block of owned) update(block);
    }
  };
}

function ownedTensors(plan: RunPlan, blocks: readonly IndexedBlock[]): readonly OwnedTensor[] {
  const { blocks: all } = plan.parameters;
  const tensors: OwnedTensor[] = [];
  for (const block of blocks) {
    const { entry } = all[block.index]!;
    const last = tensors.at(-1);
    if (last?.entry === entry) {
      last.blocks.push(block);
      continue;
    }
    const lo = all.findIndex((other) => other.entry === entry);
    const hi = all.findLastIndex((other) => other.entry === entry) + 1;
    tensors.push({ entry, blocks: [block], lo, hi });
  }
  return tensors;
}
