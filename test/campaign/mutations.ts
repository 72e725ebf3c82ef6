// How files and plain data are damaged: bytes by flips, cuts, copies and wrong lengths; data by
// values of other types and ranges, and by keys that are removed, added or repeated.

import type { Dice } from './dice.ts';

const LENGTHS = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
const MAX_CHANGES = 6;
const MAX_ADDED_BYTES = 4096;

/** The bytes with one to six changes. */
export function mutateBytes(dice: Dice, original: Uint8Array): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(original);
  for (let n = dice.between(1, MAX_CHANGES); n > 0; n--) bytes = change(dice, bytes);
  return bytes;
}

function change(dice: Dice, bytes: Uint8Array): Uint8Array {
  // Headers matter more than values: half of all changes are near the start.
  const near = dice.chance(0.5) ? Math.min(bytes.length, 200) : bytes.length;
  const at = dice.below(Math.max(1, near));
  const length = Math.min(dice.between(1, 64), Math.max(0, bytes.length - at));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (dice.below(8)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << dice.below(8);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = dice.below(256);
      return bytes;
    case 2:
      return bytes.slice(0, at);
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 4:
      return joined(bytes.subarray(0, at + length), bytes.subarray(at));
    case 5: {
      const added = Uint8Array.from({ length: dice.below(MAX_ADDED_BYTES) }, () => dice.below(256));
      return joined(bytes.subarray(0, at), added, bytes.subarray(at));
    }
    case 6:
      if (at + 4 <= bytes.length) view.setUint32(at, dice.pick(LENGTHS), dice.chance(0.5));
      return bytes;
    default:
      bytes.copyWithin(at, dice.below(Math.max(1, bytes.length)), at + length);
      return bytes;
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

const ODD: readonly unknown[] = [
  ...[null, true, false, 0, -0, 1, -1, 0.5, 1e-300, 1e300, -1e300, 2 ** 31, 2 ** 32, 2 ** 53],
  ...['', 'x', '0', '__proto__', 'constructor', '\u0000', '\u001b[2J', 'ü'.repeat(500)],
  ...[[], [null], [[]], {}, { kind: 'relu' }, { kind: '' }, { __proto__: null }],
];

/** Plain data with one to four changes. Undefined, NaN and Infinity are among the values, since
 * more than JSON can hold them. */
export function mutateData(dice: Dice, original: unknown): unknown {
  let data = structuredClone(original);
  for (let n = dice.between(1, 4); n > 0; n--) data = changeData(dice, data);
  // Last, since what is nested deeply cannot be cloned.
  return dice.chance(0.1) ? nestSomewhere(dice, data) : data;
}

function nestSomewhere(dice: Dice, data: unknown): unknown {
  const places = placesOf(data);
  if (places.length === 0) return nested(dice, data);
  const [holder, key] = dice.pick(places);
  holder[key] = nested(dice, holder[key]);
  return data;
}

function changeData(dice: Dice, data: unknown): unknown {
  const places = placesOf(data);
  if (places.length === 0 || dice.chance(0.02)) return oddValue(dice, data);
  const [holder, key] = dice.pick(places);
  const value = holder[key];
  switch (dice.below(6)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
      break;
    case 1:
      if (Array.isArray(holder)) holder.splice(Number(key), 0, structuredClone(value));
      else holder[`${key}${dice.pick(['s', '_', ''])}x`] = value;
      break;
    case 2:
      // Part of another place.
      holder[key] = structuredClone(dice.pick(places)[0]);
      break;
    default:
      holder[key] = oddValue(dice, value);
  }
  return data;
}

function oddValue(dice: Dice, value: unknown): unknown {
  if (typeof value === 'number' && dice.chance(0.6)) {
    const numbers = [-value, value + 1, value - 1, value * 1e6, value / 3, 2 ** 40, Number.NaN];
    return dice.pick([...numbers, Number.POSITIVE_INFINITY]);
  }
  if (typeof value === 'string' && dice.chance(0.3)) return value.slice(0, dice.below(8));
  return dice.chance(0.05) ? undefined : structuredClone(dice.pick(ODD));
}

/** The value a number of times inside of itself. */
function nested(dice: Dice, value: unknown): unknown {
  const depth = dice.pick([1, 3, 50, 600]);
  let data = value;
  const isSequential = dice.chance(0.7);
  for (let i = 0; i < depth; i++) {
    data = isSequential ? { kind: 'sequential', layers: [data] } : [data];
  }
  return data;
}

/** Every value with the object or list that holds it. */
function placesOf(data: unknown): [holder: Record<string, unknown>, key: string][] {
  const places: [Record<string, unknown>, string][] = [];
  const open: unknown[] = [data];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next !== 'object' || next === null || ArrayBuffer.isView(next)) continue;
    for (const key of Object.keys(next)) {
      places.push([next as Record<string, unknown>, key]);
      open.push((next as Record<string, unknown>)[key]);
    }
  }
  return places;
}
