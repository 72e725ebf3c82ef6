// A job that dies at one rank after some collectives.

import { WAYS } from './dying.mjs';

export default async function dyingJob({ rank, group, args: { way, victim, rounds, isAsync } }) {
  const values = new Float64Array(20);
  for (let round = 0; ; round++) {
    if (rank === victim && round === rounds) WAYS[way]();
    // The ways that need an event loop get one; the others hold up the group as real jobs do.
    if (isAsync) await new Promise((resolve) => setImmediate(resolve));
    if (round % 3 === 0) group.barrier();
    else group.allReduce(values, 'sum');
  }
}
