// The job of the fault tests: all ranks make the same calls again and again, and one of them dies
// in its own way before its n-th atomic operation, which may be anywhere in a call.

const sequence = [
  ({ group }) => group.barrier(),
  ({ group, small }) => group.allReduce(small, 'sum'),
  ({ group, shared }) => group.allReduce(shared, 'max'),
  ({ group, large }) => group.allReduce(large, 'sum'),
  ({ group, small }) => group.broadcast(small, 0),
  ({ group, small }) => group.exclusiveScan(small, 'sum'),
  ({ group }) => group.split(0).free(),
];

export const ways = {
  throw: () => {
    throw new RangeError('no more');
  },
  exit: () => process.exit(3),
  exhaust: () => {
    const lists = [];
    for (;;) lists.push(new Array(1000).fill(lists.length));
  },
  terminate: ({ signal }) => {
    Atomics.store(signal, 0, 1);
    Atomics.notify(signal, 0);
    for (;;) sleep(1000);
  },
};

function sleep(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

export default function job({ rank, group, args }) {
  const { victim, way, point, times } = args;
  const data = {
    group,
    small: new Float64Array(20),
    large: new Float32Array(40_000),
    shared: group.allocate('float64', 3000),
  };
  const isVictim = rank === victim;
  const atomics = globalThis.Atomics;
  let left = point;
  if (isVictim) globalThis.Atomics = counting(atomics, () => left-- === 0 && die());
  function die() {
    globalThis.Atomics = atomics;
    times[rank] = performance.timeOrigin + performance.now();
    ways[way](args);
  }
  try {
    for (let round = 0; round < 100; round++) {
      for (const call of sequence) call(data);
    }
    return point - left;
  } catch (error) {
    if (!isVictim) times[rank] = performance.timeOrigin + performance.now();
    throw error;
  } finally {
    globalThis.Atomics = atomics;
  }
}

/** Atomics that call back before each operation. */
function counting(atomics, before) {
  const names = Object.getOwnPropertyNames(atomics);
  return Object.fromEntries(
    names.map((name) => [
      name,
      (...given) => {
        before();
        return atomics[name](...given);
      },
    ]),
  );
}
