// A job that adds ones over all ranks, through memory that it shares and memory of its own.

export default function summingJob({ group, args: { length } }) {
  const values = new Float32Array(length).fill(1);
  const shared = group.allocate('float64', 100);
  shared.fill(group.rank === 0 ? 1 : 0);
  group.allReduce(values, 'sum');
  group.allReduce(shared, 'sum');
  return values.reduce((sum, value) => sum + value, 0);
}
