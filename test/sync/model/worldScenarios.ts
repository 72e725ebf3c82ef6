// Scenarios of one world over several processes under the scheduler: groups move data, their first
// members exchange over links and mailboxes.

import type { Group } from '../../../src/sync/group.ts';
import { MemoryTransport } from '../../../src/sync/memoryTransport.ts';
import { attachGroup } from '../../../src/sync/split.ts';
import { collective, makeArrays, ROUNDS } from './dataScenarios.ts';
import { assert, assertThrows, type ModelContext } from './scenarios.ts';

/** Joins the world of all processes. */
function joinWorld(context: ModelContext): Group {
  const { process, processes, worldSize, rank, shared, kernels, mailboxes } = context;
  const all = Array.from({ length: processes }, (_, other) => other);
  const { group } = attachGroup(shared, process * worldSize + rank, kernels, {
    process,
    workers: all.map(() => worldSize),
    names: all.map((other) => `process ${other}`),
    mostLinks: 0,
    open: () => new MemoryTransport(mailboxes[0]!, process),
  });
  return group;
}

export const worldScenarios = {
  /** Collectives of all kinds one after the other, between calls of each process alone. */
  crossing: (context: ModelContext) => {
    const { process, worldSize, draw } = context;
    const world = joinWorld(context);
    const arrays = makeArrays(world);
    const own = world.split(process)!;
    for (let round = 0; round < ROUNDS; round++) {
      collective(world, arrays, round, draw);
      const [sum] = own.allReduce(new Float64Array([own.rank + round]), 'sum');
      const right = worldSize * (round + (worldSize - 1) / 2);
      assert(sum === right, `the members of process ${process} have ${sum}`);
    }
  },

  /** A member of one process calls something else than all others: nobody gets through. */
  crossingDiffers: (context: ModelContext) => {
    const { draw } = context;
    const world = joinWorld(context);
    const arrays = makeArrays(world);
    const rounds = draw(3);
    const odd = draw(world.worldSize);
    const way = draw(3);
    const array = arrays[0]![0].subarray(0, 1 + draw(40));
    context.scheduler.letTimePass();
    const pattern =
      /members called different collectives: rank \d .*; rank \d |process \d failed: /;
    assertThrows(pattern, () => {
      for (let round = 0; round < rounds; round++) collective(world, arrays, round, draw);
      try {
        if (world.rank !== odd) world.allReduce(array, 'sum');
        else if (way === 0) world.allReduce(array.subarray(1), 'sum');
        else if (way === 1) world.allReduce(array, 'max');
        else world.barrier();
      } catch (error) {
        // As the main thread does, which the other processes may wait for.
        new MemoryTransport(context.mailboxes[0]!, context.process).fail(String(error));
        throw error;
      }
    });
  },
};
