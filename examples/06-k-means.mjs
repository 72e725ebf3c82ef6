// k-means over 4 threads with collectives only: each thread assigns its share of the points, and
// one all-reduce merges the sums, so that all threads move the centers in the same way.

import { isMainThread } from 'node:worker_threads';
import { launch } from 'syncbn/collectives';

const K = 4;

/** Runs on every thread. */
export default function job({ rank, worldSize, group, args: { points } }) {
  const count = points.length / 2;
  const first = Math.floor((rank * count) / worldSize);
  const end = Math.floor(((rank + 1) * count) / worldSize);
  const centers = points.slice(0, 2 * K);
  // Count, sum of x and sum of y of each cluster, in shared memory, merged in place.
  const sums = group.allocate('float64', 3 * K);
  for (;;) {
    sums.fill(0);
    for (let i = first; i < end; i++) {
      const at = 3 * nearest(centers, points[2 * i], points[2 * i + 1]);
      sums[at]++;
      sums[at + 1] += points[2 * i];
      sums[at + 2] += points[2 * i + 1];
    }
    group.allReduce(sums, 'sum', { label: 'clusters' });
    const moved = centers.map((_, j) => sums[3 * (j >> 1) + 1 + (j & 1)] / sums[3 * (j >> 1)]);
    const isSettled = moved.every((value, j) => Math.abs(value - centers[j]) < 1e-9);
    centers.set(moved);
    // All threads see the same sums, so all stop in the same round.
    if (isSettled) return { centers, stats: group.stats() };
  }
}

function nearest(centers, x, y) {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let k = 0; k < K; k++) {
    const distance = (x - centers[2 * k]) ** 2 + (y - centers[2 * k + 1]) ** 2;
    if (distance < least) [least, best] = [distance, k];
  }
  return best;
}

if (isMainThread) {
  const count = process.env.EXAMPLE_SIZE === 'small' ? 20_000 : 500_000;
  const noise = (i) => ((Math.sin(i) * 43758.5453) % 1) + ((Math.sin(2 * i) * 9176.31) % 1);
  const points = new Float64Array(new SharedArrayBuffer(2 * count * 8)); // read by all threads
  for (let i = 0; i < points.length; i++) points[i] = noise(i) + 3 * ((i >> (1 + (i & 1))) & 1);
  for (const workers of [1, 4]) {
    /** @type {ReturnType<typeof job>[]} */
    const [first] = await launch(import.meta.url, { workers, args: { points } });
    const centers = [...first.centers].map((value) => value.toFixed(3)).join(' ');
    console.log(`${workers} threads, ${first.stats.calls} rounds: centers ${centers}`);
  }
}
