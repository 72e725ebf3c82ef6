// In which order a worker's micro-batches go through a step: forward operation by operation, the
// loss, and backward the other way. Where the samples of several micro-batches share statistics all
// of them have to meet within an operation. What lies between two meetings is a segment: each
// micro-batch goes through it alone. One micro-batch, or none that meets, has one segment.

import type { Graph } from './graph.ts';

export type PassName = 'forward' | 'loss' | 'backward';

/** One part of one pass of an operation; the loss is of none. */
export interface Stage {
  readonly pass: PassName;
  /** Place of the operation in the graph. */
  readonly place: number;
  readonly part: number;
}

/** The stages of each segment. */
export type Schedule = readonly (readonly Stage[])[];

/** How often micro-batches meet within each operation of a graph. */
export interface Cuts {
  readonly forward: readonly number[];
  readonly backward: readonly number[];
}

/** The order of a step. */
export function scheduleOf({ operations }: Pick<Graph, 'operations'>, cuts?: Cuts): Schedule {
  const segments: Stage[][] = [[]];
  const add = (pass: PassName, place: number, countCuts: number): void => {
    for (let part = 0; part <= countCuts; part++) {
      if (part > 0) segments.push([]);
      segments.at(-1)!.push({ pass, place, part });
    }
  };
  for (const place of operations.keys()) add('forward', place, cuts?.forward[place] ?? 0);
  add('loss', operations.length, 0);
  for (let place = operations.length - 1; place >= 0; place--) {
    add('backward', place, cuts?.backward[place] ?? 0);
  }
  return segments;
}

/** Into how many segments forward and the loss are cut. */
export function countForwardSegments(schedule: Schedule): number {
  return schedule.findIndex((stages) => stages.some(({ pass }) => pass === 'loss')) + 1;
}
