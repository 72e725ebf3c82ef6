// Places the memory blocks that a step uses at certain stages. Blocks that are never alive at the
// same time share memory. Each micro-batch has its own blocks. A block used in several segments may
// stay in place between them, or be parked outside: copied out after one segment and back in before
// the next one that uses it. As few blocks as possible are parked. Those with the longest gaps go
// first, because they block the most others.

import { ALIGN_BYTES, alignUp } from '../../base/bytes.ts';
import type { Schedule } from './schedule.ts';

/** A block that every micro-batch has. */
export interface BlockRequest {
  readonly sizeBytes: number;
  /** The stages that use it, numbered from the start of the step; in any order. */
  readonly uses: readonly number[];
  /** Whether stages after the first segment that uses it also write it. */
  readonly isRewritten?: boolean;
}

/** A copy between a block's place and its home outside. */
export interface Move {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** The offset of its home in its micro-batch's parking memory. */
  readonly homeBytes: number;
  /** The segment that needs it next; for a move in, the current segment. */
  readonly neededIn: number;
}

/** What a micro-batch copies before and after a segment. */
export interface Moves {
  readonly ins: readonly Move[];
  readonly outs: readonly Move[];
}

export interface ParkingPlan {
  /** Each block's offset, by micro-batch, in the order of the requests. */
  readonly offsetsBytes: readonly (readonly number[])[];
  readonly sizeBytes: number;
  /** By segment and micro-batch. */
  readonly moves: readonly (readonly Moves[])[];
  /** The size of each micro-batch's parking memory. */
  readonly parkedBytes: readonly number[];
}

export interface ParkingRequest {
  readonly blocks: readonly BlockRequest[];
  readonly schedule: Schedule;
  readonly microBatches: number;
  /** Blocks are parked if they do not fit in this. */
  readonly budgetBytes: number;
}

/** A time during which a block is not used, between two segments that use it. */
interface Gap {
  readonly microBatch: number;
  readonly block: number;
  readonly from: number;
  readonly to: number;
}

/** An interval of time, including both ends. */
type Stretch = readonly [from: number, to: number];

/** Places the blocks and plans the copies. */
export function planParking(request: ParkingRequest): ParkingPlan {
  const gaps = gapsOf(request);
  let parked = placeAll(request, []);
  let countParked = 0;
  if (parked.sizeBytes > request.budgetBytes) {
    // Bisect for the smallest number that fits: parking more never takes more room.
    let [tooFew, enough] = [0, gaps.length];
    while (enough - tooFew > 1) {
      const tried = Math.floor((tooFew + enough) / 2);
      const placed = placeAll(request, gaps.slice(0, tried));
      if (placed.sizeBytes > request.budgetBytes) tooFew = tried;
      else enough = tried;
    }
    countParked = enough;
    parked = placeAll(request, gaps.slice(0, enough));
  }
  return { ...parked, ...movesOf(request, gaps.slice(0, countParked), parked.offsetsBytes) };
}

/** All gaps, in the order in which they are parked. */
function gapsOf({ blocks, schedule, microBatches }: ParkingRequest): readonly Gap[] {
  if (microBatches === 1) return [];
  const segmentOf = schedule.flatMap((stages, segment) => stages.map(() => segment));
  const gaps = blocks.flatMap(({ uses }, block) => {
    const segments = [...new Set(uses.map((use) => segmentOf[use]!))].sort((a, b) => a - b);
    return segments.slice(1).flatMap((to, i) =>
      Array.from({ length: microBatches }, (_, microBatch) => ({
        ...{ microBatch, block, from: segments[i]!, to },
      })),
    );
  });
  return gaps.sort((a, b) => b.to - b.from - (a.to - a.from) || a.microBatch - b.microBatch);
}

function placeAll(
  request: ParkingRequest,
  parked: readonly Gap[],
): Pick<ParkingPlan, 'offsetsBytes' | 'sizeBytes'> {
  const { blocks, microBatches } = request;
  const clock = clockOf(request);
  const gapsOfBlock = new Map<string, Gap[]>();
  for (const gap of parked) {
    const key = `${gap.microBatch} ${gap.block}`;
    gapsOfBlock.set(key, [...(gapsOfBlock.get(key) ?? []), gap]);
  }
  const alive = Array.from({ length: microBatches }, (_, m) =>
    blocks.map(({ sizeBytes, uses }, block): Alive => {
      const sorted = [...uses].sort((a, b) => a - b);
      const gaps = gapsOfBlock.get(`${m} ${block}`) ?? [];
      const roomBytes = alignUp(sizeBytes + ALIGN_BYTES, ALIGN_BYTES);
      return { roomBytes, stretches: stretchesOf(clock, m, sorted, gaps), offsetBytes: 0 };
    }),
  );
  const sizeBytes = place(alive.flat());
  return { offsetsBytes: alive.map((of) => of.map(({ offsetBytes }) => offsetBytes)), sizeBytes };
}

interface Clock {
  /** When a micro-batch runs a stage. */
  at(microBatch: number, stage: number): number;
  /** When it copies in before a segment and out after it. */
  begins(microBatch: number, segment: number): number;
  ends(microBatch: number, segment: number): number;
}

function clockOf({ schedule, microBatches }: ParkingRequest): Clock {
  const segmentOf: number[] = [];
  const firstStages: number[] = [];
  const starts: number[] = [];
  let start = 0;
  for (const [segment, { length }] of schedule.entries()) {
    firstStages.push(segmentOf.length);
    starts.push(start);
    for (let i = 0; i < length; i++) segmentOf.push(segment);
    start += microBatches * (length + 2);
  }
  const begins = (microBatch: number, segment: number): number =>
    starts[segment]! + microBatch * (schedule[segment]!.length + 2);
  return {
    begins,
    ends: (microBatch, segment) => begins(microBatch, segment) + schedule[segment]!.length + 1,
    at(microBatch, stage) {
      const segment = segmentOf[stage]!;
      return begins(microBatch, segment) + 1 + stage - firstStages[segment]!;
    },
  };
}

/** When a block is alive: from its first use to its last, except for the gaps. */
function stretchesOf(
  clock: Clock,
  microBatch: number,
  uses: readonly number[],
  gaps: readonly Gap[],
): readonly Stretch[] {
  if (uses.length === 0) return [];
  const ordered = [...gaps].sort((a, b) => a.from - b.from);
  const stretches: Stretch[] = [];
  let from = clock.at(microBatch, uses[0]!);
  for (const gap of ordered) {
    stretches.push([from, clock.ends(microBatch, gap.from)]);
    from = clock.begins(microBatch, gap.to);
  }
  return [...stretches, [from, clock.at(microBatch, uses.at(-1)!)]];
}

interface Alive {
  /** Includes the padding before the next block. */
  readonly roomBytes: number;
  readonly stretches: readonly Stretch[];
  offsetBytes: number;
}

/** Gives each block the lowest offset that is free whenever it is alive. Longest-lived blocks come
 * first, because most of them are alive at the peak; for nets with residuals the total is then no
 * larger than the peak itself. Returns the total size. */
function place(blocks: readonly Alive[]): number {
  // Sorted by offset.
  const placed: Alive[] = [];
  let sizeBytes = 0;
  const lengths = new Map(blocks.map((block) => [block, lengthOf(block)]));
  const sorted = [...blocks].sort(
    (a, b) => lengths.get(b)! - lengths.get(a)! || b.roomBytes - a.roomBytes,
  );
  for (const block of sorted) {
    const { roomBytes } = block;
    let offsetBytes = 0;
    for (const other of placed) {
      // Skip blocks below this offset and blocks that are not alive at the same time.
      if (other.offsetBytes + other.roomBytes <= offsetBytes) continue;
      if (!areTogether(block.stretches, other.stretches)) continue;
      if (offsetBytes + roomBytes <= other.offsetBytes) break;
      offsetBytes = other.offsetBytes + other.roomBytes;
    }
    block.offsetBytes = offsetBytes;
    const next = placed.findIndex((other) => other.offsetBytes > offsetBytes);
    placed.splice(next < 0 ? placed.length : next, 0, block);
    sizeBytes = Math.max(sizeBytes, offsetBytes + roomBytes);
  }
  return sizeBytes;
}

function lengthOf({ stretches }: Alive): number {
  return stretches.reduce((sum, [from, to]) => sum + to - from, 0);
}

/** Called for each pair of blocks; there may be millions of pairs. */
function areTogether(a: readonly Stretch[], b: readonly Stretch[]): boolean {
  for (let i = 0; i < a.length; i++) {
    const [from, to] = a[i]!;
    for (let j = 0; j < b.length; j++) {
      const other = b[j]!;
      if (other[0] <= to && from <= other[1]) return true;
    }
  }
  return false;
}

/** Plans the copies. A block that is parked again still has its content at home, so it is copied
 * out again only if it was rewritten. Homes that are never needed at the same time share memory. */
function movesOf(
  request: ParkingRequest,
  parked: readonly Gap[],
  offsetsBytes: ParkingPlan['offsetsBytes'],
): Pick<ParkingPlan, 'moves' | 'parkedBytes'> {
  const { blocks, schedule, microBatches } = request;
  const moves = schedule.map(() =>
    Array.from({ length: microBatches }, () => ({ ins: [] as Move[], outs: [] as Move[] })),
  );
  const inOrder = [...parked].sort((a, b) => a.from - b.from);
  const parkedBytes = Array.from({ length: microBatches }, (_, m) => {
    const gaps = inOrder.filter(({ microBatch }) => microBatch === m);
    const homes = homesOf(request, gaps);
    const sizeBytes = place([...homes.values()]);
    const known = new Set<number>();
    for (const { block, from, to } of gaps) {
      const { isRewritten = false, ...rest } = blocks[block]!;
      const move = {
        offsetBytes: offsetsBytes[m]![block]!,
        sizeBytes: rest.sizeBytes,
        homeBytes: homes.get(block)!.offsetBytes,
        neededIn: to,
      };
      if (!known.has(block) || isRewritten) moves[from]![m]!.outs.push(move);
      known.add(block);
      moves[to]![m]!.ins.push(move);
    }
    return sizeBytes;
  });
  return { moves, parkedBytes };
}

/** The homes of a micro-batch's blocks, from the first copy out to the last one in. */
function homesOf({ blocks }: ParkingRequest, gaps: readonly Gap[]): ReadonlyMap<number, Alive> {
  const stretches = new Map<number, Stretch>();
  for (const { block, from, to } of gaps) {
    const [first, last] = stretches.get(block) ?? [from, to];
    stretches.set(block, [Math.min(first, from), Math.max(last, to)]);
  }
  return new Map(
    [...stretches].map(([block, stretch]) => {
      const roomBytes = alignUp(blocks[block]!.sizeBytes, ALIGN_BYTES);
      return [block, { roomBytes, stretches: [stretch], offsetBytes: 0 }];
    }),
  );
}
