// Every collective on arrays beyond the first 2 GiB of the shared memory, in the world's group and
// in one that was split off there. Gives what each came to, for comparison with low addresses.

const LENGTHS = [1, 2, 100, 20_000];

export default function job({ rank, worldSize, group, args }) {
  if (rank === 0 && args.beyond > 0) group.allocate('float64', args.beyond / 8);
  group.barrier();
  const half = group.split(rank % 2);
  return [group, half].flatMap((members) => runAll(members, rank, worldSize));
}

function runAll(group, worldRank, worldSize) {
  const { rank, worldSize: size } = group;
  const results = [];
  for (const type of ['int32', 'float64']) {
    for (const length of LENGTHS) {
      const make = (count) => {
        const array = group.allocate(type, count);
        for (let i = 0; i < count; i++) array[i] = (worldRank + 1) * (i % 7) + worldSize;
        return array;
      };
      const note = (array) => results.push(array.reduce((sum, x, i) => sum + x * ((i % 5) + 1), 0));
      note(group.allReduce(make(length), 'sum'));
      note(group.allReduce(make(length).slice(), 'max'));
      note(group.reduce(make(length), 'sum', size - 1));
      note(group.reduceScatter(make(length * size), make(length), 'sum'));
      note(group.broadcast(make(length), 0));
      note(group.allGather(make(length), make(length * size)));
      note(group.gather(make(length), rank === 0 ? make(length * size) : null, 0) ?? [0]);
      note(group.scatter(make(length * size), make(length), 0));
      note(group.exclusiveScan(make(length), 'sum'));
    }
  }
  return results;
}
