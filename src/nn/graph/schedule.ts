// The order of a worker's micro-batches in a step: forward operation by operation, the loss, then
// backward in reverse. Micro-batches that share statistics have to meet within an operation. The
// part between two meetings is a segment, which each micro-batch runs alone. Without meetings, or
// with one micro-batch, the step is one segment.

import type { Graph } from './graph.ts';

export type PassName = 'forward' | 'loss' | 'backward';

/** One part of one pass of an operation. The loss does not belong to an operation. */
export interface Stage {
  readonly pass: PassName;
  /** Index of the operation in the graph. */
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

/** Creates the schedule of a step. */
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

/** The number of segments up to and including the loss. */
export function countForwardSegments(schedule: Schedule): number {
  return schedule.findIndex((stages) => stages.some(({ pass }) => pass === 'loss')) + 1;
}
