// The last steps of a profile as a trace for chrome://tracing and ui.perfetto.dev: Trace Event
// Format, complete events ("X") with times in microseconds. One track per worker, with nested
// steps, phases, layers and waits.

import { checkWritable } from '../../base/wholeFile.ts';
import type { ProfileSpan } from '../../observe/profileReport.ts';
import { writeOutput } from './outFile.ts';

/** A complete event, or the name of a track. */
export interface TraceEvent {
  readonly name: string;
  readonly ph: 'X' | 'M';
  readonly pid: number;
  readonly tid: number;
  readonly cat?: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, string | number>>;
}

const PROCESS = 1;
const US_PER_MS = 1000;
/** The clock's own precision: nanoseconds. */
const DIGITS = 3;

/** Fails early, before any training, if the file cannot be written. */
export async function checkTraceWritable(path: string): Promise<void> {
  await checkWritable(path, `--trace ${path}`);
}

/** Writes a trace of these spans. */
export async function writeTrace(path: string, spans: readonly ProfileSpan[]): Promise<void> {
  const trace = { traceEvents: traceEvents(spans), displayTimeUnit: 'ms' };
  await writeOutput(path, `--trace ${path}`, `${JSON.stringify(trace)}\n`);
}

/** The events of a profile's spans, each after the one that contains it. */
export function traceEvents(spans: readonly ProfileSpan[]): readonly TraceEvent[] {
  const ranks = [...new Set(spans.map(({ rank }) => rank))];
  const names: readonly TraceEvent[] = [
    { name: 'process_name', ph: 'M', pid: PROCESS, tid: 0, args: { name: 'syncbn train' } },
    ...ranks.map((rank) => ({
      name: 'thread_name',
      ph: 'M' as const,
      pid: PROCESS,
      tid: rank,
      args: { name: `worker ${rank}` },
    })),
  ];
  const tracks = ranks.flatMap((rank) => trackEvents(spans.filter((span) => span.rank === rank)));
  return [...names, ...tracks];
}

/** One worker's events: one for each step, one for each of its phases, and those of its spans. */
function trackEvents(spans: readonly ProfileSpan[]): readonly TraceEvent[] {
  return runsOf(spans, (a, b) => a.step === b.step).flatMap((step) => [
    coverEvent(`step ${step[0]!.step}`, 'step', step),
    ...runsOf(step, (a, b) => a.phase === b.phase).flatMap((phase) => [
      coverEvent(phase[0]!.phase, 'phase', phase),
      ...phase.flatMap((span) => spanEvents(span)),
    ]),
  ]);
}

/** Splits spans into runs of neighbors that belong together. */
function runsOf(
  spans: readonly ProfileSpan[],
  belong: (a: ProfileSpan, b: ProfileSpan) => boolean,
): readonly (readonly ProfileSpan[])[] {
  const runs: ProfileSpan[][] = [];
  for (const span of spans) {
    const last = runs.at(-1);
    if (last !== undefined && belong(last[0]!, span)) last.push(span);
    else runs.push([span]);
  }
  return runs;
}

/** An event from the first of the spans to the last. */
function coverEvent(name: string, cat: string, spans: readonly ProfileSpan[]): TraceEvent {
  const { rank, step, fromMs } = spans[0]!;
  const toMs = spans.reduce((last, span) => Math.max(last, span.toMs), 0);
  return { ...eventOf(name, cat, { rank, fromMs, toMs }), args: { step } };
}

/** A layer's pass or a wait; work outside of layers is covered by its phase's event. */
function spanEvents(span: ProfileSpan): readonly TraceEvent[] {
  const { step, phase, path, isWait } = span;
  if (!isWait && path === undefined) return [];
  const args = { step, phase, ...(path !== undefined && { layer: path }) };
  const event = isWait ? eventOf('waiting', 'waiting', span) : eventOf(path!, 'layer', span);
  return [{ ...event, args }];
}

type Range = Pick<ProfileSpan, 'rank' | 'fromMs' | 'toMs'>;

function eventOf(name: string, cat: string, { rank, fromMs, toMs }: Range): TraceEvent {
  const ts = toUs(fromMs);
  // Both ends are rounded, so that neighbors meet and no event exceeds the one that contains it.
  const dur = Number((toUs(toMs) - ts).toFixed(DIGITS));
  return { name, cat, ph: 'X', pid: PROCESS, tid: rank, ts, dur };
}

function toUs(ms: number): number {
  return Number((ms * US_PER_MS).toFixed(DIGITS));
}
