// The calls of one group, prepared when they are first made: their key is a number that packs kind,
// type, operation and root, so a repeated call costs one look-up.

import { checkInteger, UsageError } from '../base/errors.ts';
import { nearestWord } from '../base/nearest.ts';
import { NUMBER_TYPES, REDUCE_OPS } from './arrays.ts';
import type { Barrier } from './barrier.ts';
import { type Call, prepareCall } from './call.ts';
import type { CallOptions } from './group.ts';
import type { Place } from './places.ts';
import { NO_LENGTH } from './words.ts';

const KINDS = [
  'barrier',
  'broadcast',
  'reduce',
  'allReduce',
  'reduceScatter',
  'allGather',
  'allGatherV',
  'scatter',
  'gather',
  'exclusiveScan',
  'split',
  'free',
] as const;

type KindName = (typeof KINDS)[number];

/** The number of each kind of call. */
export const Kind = Object.fromEntries(KINDS.map((name, kind) => [name, kind])) as Readonly<
  Record<KindName, number>
>;

/** The code of calls without a type. */
export const NO_TYPE = 63;
/** The part of a code for calls without an operation. */
const NO_OP = 7;
/** The root of calls without one. */
export const NO_ROOT = -1;
const CODES = 64;
const ROOTS = 1024;
/** The maximum number of members, each of which can be a root. */
export const MOST_MEMBERS = ROOTS - 1;

/** The code of a call that does not reduce. */
export function copyCode(place: Place): number {
  return place.typeCode + NO_OP;
}

/** The number of a call. `code` is that of its type and operation, or {@link NO_TYPE}; `root` may
 * be {@link NO_ROOT}. */
export function callKey(kind: number, code: number, root: number): number {
  return (kind * CODES + code) * ROOTS + root + 1;
}

/** The calls of one member of one group. */
export class Calls {
  readonly barrier: Barrier;
  /** The suffix that errors add to calls of groups that were split off. */
  private readonly where: string;
  private readonly plain = new Map<number, Call>();
  private readonly labelled = new Map<string, Map<number, Call>>();
  private lastKey = -1;
  private lastCall: Call | undefined;
  private isClosed = false;

  constructor(barrier: Barrier, where: string) {
    this.barrier = barrier;
    this.where = where;
  }

  /** Begins a call, with or without an array. */
  begin(key: number, place: Place | undefined, options: CallOptions | undefined): void {
    if (this.isClosed) throw new UsageError(FREED_GROUP);
    const length = place === undefined ? NO_LENGTH : place.array.length;
    const bytes = place === undefined ? 0 : length * place.elementBytes;
    if (options === undefined) {
      if (key !== this.lastKey) {
        this.lastKey = key;
        this.lastCall = this.plain.get(key) ?? this.add(this.plain, key);
      }
      this.barrier.begin(this.lastCall!, length, bytes);
      return;
    }
    const { label, timeoutMs } = checkOptions(options);
    const calls = label === undefined ? this.plain : this.callsOf(label);
    this.barrier.begin(calls.get(key) ?? this.add(calls, key, label), length, bytes, timeoutMs);
  }

  /** Makes all further calls throw: the group was freed. */
  close(): void {
    this.isClosed = true;
  }

  private callsOf(label: string): Map<number, Call> {
    let calls = this.labelled.get(label);
    if (calls === undefined) {
      calls = new Map();
      this.labelled.set(label, calls);
    }
    return calls;
  }

  private add(calls: Map<number, Call>, key: number, label?: string): Call {
    const root = (key % ROOTS) - 1;
    const code = Math.floor(key / ROOTS) % CODES;
    const kind = KINDS[Math.floor(key / ROOTS / CODES)]!;
    const type = code === NO_TYPE ? undefined : NUMBER_TYPES[code >> 3];
    const op = code % 8 === NO_OP ? undefined : REDUCE_OPS[code % 8];
    const how = [op, root < 0 ? undefined : `root ${root}`].filter((part) => part !== undefined);
    const call = prepareCall({
      kind: `${kind}${this.where}`,
      ...(label !== undefined && { label }),
      ...(how.length > 0 && { op: how.join(', ') }),
      ...(type !== undefined && { type }),
      uneven: kind === 'allGatherV',
    });
    calls.set(key, call);
    return call;
  }
}

const FREED_GROUP = { what: 'a group', given: 'a call after free', allowed: 'no call' };

const CALL_OPTIONS: readonly string[] = ['label', 'timeoutMs'];

function checkOptions(options: CallOptions): CallOptions {
  if (typeof options !== 'object' || options === null) {
    throw new UsageError({ what: 'options of a call', given: options, allowed: 'an object' });
  }
  for (const name in options) {
    if (CALL_OPTIONS.includes(name)) continue;
    const hint = nearestWord(name, CALL_OPTIONS);
    const allowed = CALL_OPTIONS.join(' or ');
    const details = { what: 'an option of a call', given: name, allowed };
    throw new UsageError(hint === undefined ? details : { ...details, hint });
  }
  const { label, timeoutMs } = options;
  if (label !== undefined && typeof label !== 'string') {
    throw new UsageError({ what: 'the label of a call', given: label, allowed: 'a string' });
  }
  if (timeoutMs !== undefined) checkInteger('timeoutMs of a call', timeoutMs, 1);
  return options;
}
