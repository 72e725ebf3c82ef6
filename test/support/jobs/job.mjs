// The job of launch's tests: does what `args.what` says.

const deeds = {
  context: ({ rank, worldSize, args }) => ({ rank, worldSize, given: args.given }),
  sum: ({ rank, group }) => group.allReduce(new Float64Array([rank + 1, 1]), 'sum'),
  later: async ({ rank, group }) => {
    await new Promise((resolve) => setTimeout(resolve, rank));
    group.barrier({ label: 'all awake' });
    return group.broadcast(new Int32Array([rank * 10]), 1)[0];
  },
  share: ({ rank, group, args }) => {
    Atomics.add(args.shared, 0, rank + 1);
    group.barrier();
    return Atomics.load(args.shared, 0);
  },
  throw: ({ rank, group }) => {
    if (rank === 1) throw new TypeError('the job is wrong');
    group.barrier();
  },
  exit: ({ rank, group }) => {
    if (rank === 1) process.exit(9);
    group.barrier();
  },
  leave: ({ rank, group }) => {
    if (rank === 1) return 'early';
    return group.allReduce(new Float32Array(5), 'max');
  },
  late: ({ rank, group, args }) => {
    if (rank === 1) Atomics.wait(args.shared, 0, 0);
    group.barrier({ label: 'meeting' });
  },
  differ: ({ rank, group }) => {
    if (rank === 1) group.barrier();
    else group.allGather(new Float32Array(2), new Float32Array(4));
  },
  misuse: ({ group }) => group.broadcast(new Float32Array(2), 99),
};

export default function job(context) {
  return deeds[context.args.what](context);
}
