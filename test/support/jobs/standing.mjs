// A job of nothing but barriers, for as long as it is told.

export default function job({ group, args }) {
  const endMs = Date.now() + args.ms;
  let calls = 0;
  const isOver = new Int32Array(1);
  do {
    for (let i = 0; i < 50; i++) group.barrier();
    calls += 50;
    isOver[0] = Date.now() > endMs ? 1 : 0;
    group.broadcast(isOver, 0);
  } while (isOver[0] === 0);
  return calls;
}
