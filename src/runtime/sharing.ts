// Shares the results of each process's workers with all processes: how a training call ended,
// losses and hits of an evaluation, outputs of a prediction.

import { InvariantError } from '../base/errors.ts';
import { hashState, type StateTensor } from '../checkpoint/state.ts';
import { viewOf } from '../memory/arena.ts';
import type { Region } from '../memory/layout.ts';
import type { RunPlan } from '../plan/plan.ts';
import { grainStart } from '../reduce/grains.ts';
import type { Trained } from '../train/step.ts';
import { checkHashes } from './agreement.ts';
import { gatherJson, type Network } from './network.ts';

interface Shared {
  readonly plan: RunPlan;
  readonly memory: WebAssembly.Memory;
  readonly network: Network | undefined;
}

/** Shares `count` samples' rows, starting at row `first`, which ran in global batches: their losses
 * and hits, or their outputs, including those of heads. */
export async function shareSamples(
  shared: Shared,
  name: 'evaluated' | 'outputs',
  count: number,
  first = 0,
): Promise<void> {
  const { evaluated, headLosses, outputs, headOutputs } = shared.plan.regions.inference;
  const regions = name === 'outputs' ? [outputs, ...headOutputs] : [evaluated, headLosses];
  for (const region of regions) {
    if (region !== undefined) await shareRows(shared, region, count, first);
  }
}

async function shareRows(
  { plan, memory, network }: Shared,
  region: Region<'f64'> | Region<'f32'>,
  count: number,
  first: number,
): Promise<void> {
  if (network === undefined) return;
  const rowLength = region.shape[1]!;
  const values = viewOf(memory, region).subarray(first * rowLength);
  const own = rowsOf(plan, network.process, count).map(({ lo, hi }) =>
    values.slice(lo * rowLength, hi * rowLength),
  );
  const all = await network.allGather(
    Buffer.concat(own.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength))),
  );
  for (const [process, bytes] of all.entries()) {
    if (process === network.process) continue;
    const aligned = new Uint8Array(bytes).buffer;
    const given = region.type === 'f64' ? new Float64Array(aligned) : new Float32Array(aligned);
    let at = 0;
    for (const { lo, hi } of rowsOf(plan, process, count)) {
      values.set(given.subarray(at, at + (hi - lo) * rowLength), lo * rowLength);
      at += (hi - lo) * rowLength;
    }
    if (at !== given.length) throw new InvariantError('shared samples', given.length, at);
  }
}

/** How training ended for the workers of all processes, and whether any process was asked to stop.
 * Throws if their states differ. */
export async function shareTrained(
  { network, tensors }: Pick<Shared, 'network'> & { readonly tensors: readonly StateTensor[] },
  trained: readonly Trained[],
  isStopping: boolean,
): Promise<{ readonly trained: readonly Trained[]; readonly isStopping: boolean }> {
  if (network === undefined) return { trained, isStopping };
  const own = { trained, isStopping, hash: hashState(tensors) };
  const all = await gatherJson(network, own);
  const hashes = all.map(({ hash }) => hash);
  checkHashes(network, hashes, `state after step ${trained[0]!.done}`);
  return {
    trained: all.flatMap((one) => one.trained),
    isStopping: all.some((one) => one.isStopping),
  };
}

/** The samples of a process, batch by batch. */
function rowsOf(
  { grains, config }: RunPlan,
  process: number,
  count: number,
): readonly { readonly lo: number; readonly hi: number }[] {
  const { lo, hi } = grains.processes[process]!;
  const rows: { lo: number; hi: number }[] = [];
  for (let from = 0; from < count; from += config.globalBatch) {
    const size = Math.min(config.globalBatch, count - from);
    rows.push({
      lo: from + grainStart(grains.cut, size, lo),
      hi: from + grainStart(grains.cut, size, hi),
    });
  }
  return rows;
}
