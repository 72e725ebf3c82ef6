// What users write of collectives, right and wrong. Nothing here runs: the compiler refuses each
// line below a directive, for the reason whose number stands there.

import { type Group, type Job, launch } from 'syncbn/collectives';

function takes<T>(_value: T): void {}

export function calls(group: Group): void {
  const array = group.allocate('float32', 4);
  takes<Float32Array>(group.allReduce(array, 'sum'));
  takes<Int32Array>(group.broadcast(new Int32Array(2), 0, { label: 'start' }));
  takes<null>(group.gather(array, null, 0));
  // @ts-expect-error TS2345: no numbers of this type.
  group.allocate('float16', 4);
  // @ts-expect-error TS2345: no operation of this name.
  group.allReduce(array, 'avg');
  // @ts-expect-error TS2345: arrays are typed.
  group.allReduce([1, 2], 'sum');
  // @ts-expect-error TS2554: a reduction has an operation.
  group.allReduce(array);
  // @ts-expect-error TS2345: both arrays are of one type.
  group.allGather(array, new Float64Array(8));
  // @ts-expect-error TS2554: a broadcast has a root.
  group.broadcast(array);
  // @ts-expect-error TS2561: no such option.
  group.barrier({ timeout: 10 });
  // @ts-expect-error TS2345: a result has the type of the array.
  takes<Float64Array>(group.allReduce(array, 'sum'));
  // @ts-expect-error TS2531: a member without a color has no group.
  group.split(null).barrier();
  // @ts-expect-error TS2540: a rank does not change.
  group.rank = 1;
}

export async function launches(): Promise<readonly unknown[]> {
  const job: Job<number, { n: number }> = ({ group, args }) => group.rank + args.n;
  // @ts-expect-error TS2345: a job is a module, since threads cannot take functions.
  await launch(job, { workers: 2 });
  // @ts-expect-error TS2353: no such option.
  await launch('./job.mjs', { workers: 2, replicas: 2 });
  // @ts-expect-error TS2322: workers are counted.
  await launch('./job.mjs', { workers: 'all' });
  return launch('./job.mjs', { workers: 2, args: { n: 1 } });
}
