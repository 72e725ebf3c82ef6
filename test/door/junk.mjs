// What no function can use, and calls that have one such thing in each place in which they take
// something. Plain JavaScript, since jobs of `launch` load it, too.

/** What getters of junk throw: the caller's own error may come back. */
export const OWN_ERROR = new Error('thrown by a getter of the caller');

const thrower = () => {
  throw OWN_ERROR;
};

function nested(depth) {
  let value = 1;
  for (let i = 0; i < depth; i++) value = [{ layers: value, kind: 'sequential' }];
  return value;
}

function ring() {
  const value = { kind: 'sequential', layers: [] };
  value.layers.push(value);
  return value;
}

/** Functions, so that a call that changes what it is given spoils no other call. */
export const JUNK = [
  ...[undefined, null, true, '', 'junk', '__proto__', 10n, Symbol('junk')],
  ...[Number.NaN, Number.POSITIVE_INFINITY, -1, -0, 0, 0.5, 1, 2 ** 53, 1e308],
]
  .map((value) => () => value)
  .concat([
    () => [],
    () => [undefined],
    () => [Number.NaN, null],
    () => new Array(3),
    () => ({}),
    () => ({ junk: 1 }),
    () => Object.create(null),
    () => ({ kind: 'junk' }),
    () => ({ kind: 'toString', length: -1 }),
    () =>
      Object.defineProperties(
        {},
        {
          kind: { get: thrower, enumerable: true },
          to: { get: thrower, enumerable: true },
          length: { get: thrower, enumerable: true },
        },
      ),
    ring,
    () => nested(300),
    () => () => 1,
    () => class Junk {},
    () => new Date(Number.NaN),
    () => new Map([['junk', {}]]),
    () => new Map([[{}, null]]),
    () => Promise.resolve({}),
    () => new Uint8Array(3),
    () => new Float32Array(3),
    () => new Float64Array(0),
    () => new BigInt64Array(1),
    () => new DataView(new ArrayBuffer(2)),
    () => new Float32Array(new SharedArrayBuffer(8)),
  ]);

const isPlain = (value) => Object.prototype.toString.call(value) === '[object Object]';

/** All variants of a value with junk in one place of it. `toDepth` bounds the places within. */
export function* spoiled(value, toDepth = 3) {
  for (const [i, make] of JUNK.entries()) yield { where: ` = junk ${i}`, value: make() };
  if (toDepth === 0) return;
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      for (const { where, value: bad } of spoiled(item, toDepth - 1)) {
        yield { where: `[${i}]${where}`, value: value.with(i, bad) };
      }
    }
  } else if (isPlain(value) && Object.getPrototypeOf(value) === Object.prototype) {
    yield { where: '.junk = 1', value: { ...value, junk: 1 } };
    for (const key of Object.keys(value)) {
      const broken = { ...value };
      Object.defineProperty(broken, key, { get: thrower, enumerable: true });
      yield { where: `.${key} throws`, value: broken };
      for (const { where, value: bad } of spoiled(value[key], toDepth - 1)) {
        yield { where: `.${key}${where}`, value: { ...value, [key]: bad } };
      }
    }
  }
}

/** What came of the calls of a row that are wrong in one place: those that neither succeed nor
 * throw a UsageError. A row has a function and makes arguments with which it works. */
export async function misbehaved(name, row, isRefusal) {
  const { call, args, depth } = row;
  const found = [];
  const attempt = async (where, given) => {
    try {
      await call(...given);
    } catch (error) {
      if (error === OWN_ERROR || isRefusal(error)) return;
      found.push(`${name}(${where}): ${error?.stack?.split('\n').slice(0, 3).join(' ') ?? error}`);
    }
  };
  await attempt('', args());
  await attempt('nothing', []);
  for (let i = 0; i < args().length; i++) {
    for (const { where, value } of spoiled(args()[i], depth)) {
      await attempt(`${i}${where}`, args().with(i, value));
    }
  }
  return found;
}
