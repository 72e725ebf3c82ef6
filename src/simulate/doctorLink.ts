// The link between hosts as measured by `syncbn doctor --mpi --json`. Latency and bandwidth come
// from a straight line through its exchanges (Hockney 1994), by least squares of the logarithms,
// since times span orders of magnitude. Means are fitted, since a step's exchanges add up.

import * as z from 'zod';
import { UsageError } from '../base/errors.ts';
import { isObject, parseData } from '../base/parse.ts';
import { positive, text, wholeNumber } from '../base/values.ts';
import type { Link } from './links.ts';

/** The part of the doctor's event that is read. */
const reportSchema = z.object({
  processes: z.array(z.object({ host: text }), 'a list with the host of each process'),
  times: z.array(
    z.object({ sizeBytes: wholeNumber(1), mean: positive }),
    'a list with the times of exchanges',
  ),
});
export type DoctorReport = z.infer<typeof reportSchema>;

/** An exchange that the doctor measured. */
interface MeasuredPoint {
  /** Bytes that each process sent to each other one. */
  readonly sizeBytes: number;
  /** Bytes that a host's card sent, and received. */
  readonly cardBytes: number;
  readonly measuredUs: number;
}

/** An exchange next to the fitted line. */
export interface FittedPoint extends MeasuredPoint {
  readonly fittedUs: number;
  /** Fitted over measured, less 1. */
  readonly error: number;
}

export interface FittedLink {
  readonly link: Link;
  readonly points: readonly FittedPoint[];
  /** Whether all processes were on one host, so that the link is its memory. */
  readonly isWithinHost: boolean;
}

const HOW = 'syncbn doctor --mpi --nodes a,b --json > doctor.json';

/** The `mpi` event among the JSON lines of a file. `what` names the file in errors. */
export function parseDoctor(lines: string, what: string): DoctorReport {
  const events = lines.split('\n').flatMap((line) => {
    try {
      const event: unknown = JSON.parse(line);
      return isObject(event) && event.event === 'mpi' ? [event] : [];
    } catch {
      // A file with a launcher's redirected output has the launcher's lines, too.
      return [];
    }
  });
  const event = events[events.length - 1];
  if (event !== undefined) return parseData(reportSchema, event, what);
  throw new UsageError({
    what,
    given: 'no line with the event mpi',
    allowed: 'the output of the doctor',
    hint: HOW,
  });
}

/** The link that fits the doctor's times. Throws a {@link UsageError} if they do not determine a
 * bandwidth. */
export function fitLink(name: string, { processes, times }: DoctorReport): FittedLink {
  const hosts = new Set(processes.map(({ host }) => host));
  const isWithinHost = hosts.size === 1;
  const refuse = (given: unknown, allowed: string): UsageError =>
    new UsageError({ what: name, given, allowed, hint: HOW });
  if (processes.length < 2) throw refuse(`${processes.length} processes`, 'two or more');
  if (!isWithinHost && hosts.size < processes.length) {
    const given = `${processes.length} processes on ${hosts.size} hosts`;
    throw refuse(given, 'one process on each host, whose card is then its own');
  }
  const others = processes.length - 1;
  const measured = times.map(({ sizeBytes, mean }) => ({
    ...{ sizeBytes, cardBytes: others * sizeBytes, measuredUs: mean },
  }));
  const bySize = measured.toSorted((a, b) => a.cardBytes - b.cardBytes);
  const smallest = bySize[0];
  const largest = bySize[bySize.length - 1];
  if (smallest === undefined || smallest.cardBytes === largest!.cardBytes) {
    throw refuse(`exchanges of ${bySize.length} sizes`, 'of two sizes or more');
  }
  if (largest!.measuredUs <= smallest.measuredUs) {
    throw refuse(
      `${smallest.measuredUs} us for ${smallest.sizeBytes} bytes, ` +
        `${largest!.measuredUs} us for ${largest!.sizeBytes}`,
      'exchanges that take longer the more bytes they have',
    );
  }
  const { latencyUs, usPerByte } = lineThrough(measured);
  return {
    link: {
      name,
      kind: 'messages',
      latencyUs,
      gigabytesPerSecond: 1 / (usPerByte * 1000),
      share: 1,
      source: `fitted to ${times.length} exchanges of ${processes.length} processes`,
    },
    points: measured.map((point) => {
      const fittedUs = latencyUs + point.cardBytes * usPerByte;
      return { ...point, fittedUs, error: fittedUs / point.measuredUs - 1 };
    }),
    isWithinHost,
  };
}

/** Latency and time per byte with the least sum of (ln fitted - ln measured)^2. For a given ratio
 * of the two (the number of bytes that take as long as the latency), the best scale is a mean. The
 * best ratio is searched for. */
function lineThrough(points: readonly MeasuredPoint[]): {
  readonly latencyUs: number;
  readonly usPerByte: number;
} {
  const mean = (of: (point: MeasuredPoint) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const fit = (latencyBytes: number): { readonly logUsPerByte: number; readonly error: number } => {
    const logOf = ({ cardBytes, measuredUs }: MeasuredPoint): number =>
      Math.log(measuredUs / (latencyBytes + cardBytes));
    const logUsPerByte = mean(logOf);
    return { logUsPerByte, error: mean((point) => (logOf(point) - logUsPerByte) ** 2) };
  };
  const errorAt = (log: number): number => fit(Math.exp(log)).error;
  const most = Math.log(MOST_LATENCY_BYTES);
  const grid = Array.from({ length: GRID + 1 }, (_, i) => (i * most) / GRID);
  const best = grid.reduce((least, log) => (errorAt(log) < errorAt(least) ? log : least));
  let low = Math.max(0, best - most / GRID);
  let high = best + most / GRID;
  // Each round keeps two thirds of the interval, so 60 rounds are exact.
  for (let i = 0; i < 60; i++) {
    const left = low + (high - low) / 3;
    const right = high - (high - low) / 3;
    if (errorAt(left) < errorAt(right)) high = right;
    else low = left;
  }
  const latencyBytes = Math.exp((low + high) / 2);
  const usPerByte = Math.exp(fit(latencyBytes).logUsPerByte);
  return { latencyUs: latencyBytes * usPerByte, usPerByte };
}

/** A tenth of a second at 10 GB/s. */
const MOST_LATENCY_BYTES = 1e9;
const GRID = 60;
