// What a run looks like for people: a progress bar on a terminal, a line for each epoch elsewhere,
// tables at the end. Colours follow the terminal and NO_COLOR.

import { styleText } from 'node:util';
import { Presets, SingleBar } from 'cli-progress';
import { Table } from 'console-table-printer';
import { showBytes } from '../memory/layout.ts';
import { severityOf } from '../train/diagnostics.ts';
import type {
  ConvertedEvent,
  DiagnosticsEvent,
  DoneEvent,
  ProfileEvent,
  ProgressEvent,
  RunEvent,
  Sink,
  StartEvent,
} from './events.ts';
import { profileTables } from './profileTable.ts';

/** From here on float32 inputs have lost ten of their 24 bits when the mean is taken off. */
const WORTH_TELLING_CONDITIONING = 1000;

type Style = Parameters<typeof styleText>[0];

/** Colours only where they are seen. */
export function paint(style: Style, text: string): string {
  const isPlain = !process.stdout.isTTY || (process.env.NO_COLOR ?? '') !== '';
  return isPlain ? text : styleText(style, text);
}

/** A table without the borders' colours, columns in the order of the first row. */
export function printTable(rows: readonly Readonly<Record<string, string>>[]): void {
  const table = new Table({
    shouldDisableColors: true,
    defaultColumnOptions: { alignment: 'left' },
  });
  table.addRows(rows.map((row) => ({ ...row })));
  console.log(table.render());
}

/** A table of cells, columns in the order of their titles, be these numbers or not. */
export function printRows(
  titles: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): void {
  const table = new Table({
    shouldDisableColors: true,
    defaultColumnOptions: { alignment: 'left' },
    columns: titles.map((title, index) => ({ name: `column ${index}`, title })),
  });
  for (const row of rows) {
    table.addRow(Object.fromEntries(row.map((cell, index) => [`column ${index}`, `${cell}`])));
  }
  console.log(table.render());
}

/** Shows a run on the terminal. */
export function terminalSink(): Sink {
  const bar = process.stdout.isTTY === true ? newBar() : undefined;
  let start: StartEvent | undefined;
  let diagnostics: DiagnosticsEvent | undefined;
  let isDrawn = false;

  const draw = (event: ProgressEvent): void => {
    if (bar === undefined) return;
    if (!isDrawn) bar.start(event.totalSteps, event.step, barFields(event));
    else bar.update(event.step, barFields(event));
    isDrawn = true;
  };
  const endBar = (): void => {
    if (isDrawn) bar?.stop();
    isDrawn = false;
  };

  return {
    take(event: RunEvent) {
      switch (event.event) {
        case 'start':
          start = event;
          console.log(startLines(event));
          break;
        case 'converted':
          console.log(conversionLines(event));
          break;
        case 'progress':
          draw(event);
          break;
        case 'epoch':
        case 'stopped':
          draw(event);
          if (bar === undefined) console.log(epochLine(event));
          if (event.event === 'stopped' || event.step === event.totalSteps) endBar();
          break;
        case 'diagnostics':
          diagnostics = event;
          if (bar === undefined) console.log(diagnosticsLine(event));
          break;
        case 'checkpoint':
          if (!isDrawn) console.log(`Checkpoint of step ${event.step} written to ${event.path}.`);
          break;
        case 'profile':
          endBar();
          printProfile(event);
          break;
        case 'trace':
          endBar();
          console.log(`Trace of the last ${event.steps} steps written to ${event.path}.`);
          break;
        case 'notice':
          console.error(`syncbn: ${event.message}`);
          break;
        case 'watch':
          console.log(`Watch it at ${event.url}`);
          break;
        case 'report':
          endBar();
          console.log(`Report written to ${event.path}.`);
          break;
        case 'done':
          endBar();
          printTable(resultRows(event, start));
          if (bar !== undefined && diagnostics !== undefined) {
            console.log(diagnosticsLine(diagnostics));
          }
          break;
        case 'error':
          endBar();
          console.error(`syncbn: ${event.message}`);
      }
    },
    close: endBar,
  };
}

function printProfile(event: ProfileEvent): void {
  const { heading, phases, layers } = profileTables(event);
  console.log(heading);
  printTable(phases);
  printTable(layers);
}

/** A bar that fits a line of 80 columns up to 99 epochs, 99,999 images/s and ten hours left. */
function newBar(): SingleBar {
  const fields = '{epoch}  {speed}  loss {loss}  acc {accuracy}  {left}';
  return new SingleBar(
    {
      format: `{bar} {percentage}%  ${fields}`,
      barsize: 10,
      autopadding: true,
      stream: process.stdout,
      hideCursor: true,
      stopOnComplete: false,
      fps: 10,
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
}

function barFields(event: ProgressEvent): Record<string, string> {
  return {
    epoch: `epoch ${event.epoch}/${event.epochs}`,
    speed: paint('bold', `${Math.round(event.imagesPerSecond)} img/s`),
    loss: event.loss === null ? '-' : event.loss.toFixed(3),
    accuracy: showShare(event.accuracy, 1),
    left: event.secondsLeft === null ? '' : `${showClock(event.secondsLeft)} left`,
  };
}

function startLines(event: StartEvent): string {
  const { model, data, norm, replicas, workers, globalBatch, parameters, memoryBytes } = event;
  const what = `${paint('bold', model)} on ${paint('bold', data)}, ${paint('bold', norm)}`;
  const memory = `${showBytes(memoryBytes)} of shared memory`;
  return `${what}, ${parameters} parameters
${replicas} replicas on ${workers} workers, global batch ${globalBatch}, ${memory}`;
}

/** What did not carry over: one line for each kind of tensor and reason. */
function conversionLines({ carried, lost }: ConvertedEvent): string {
  const groups = new Map<string, string[]>();
  for (const { layer, tensor, why } of lost) {
    const key = `${tensor}: ${why}`;
    groups.set(key, [...(groups.get(key) ?? []), layer]);
  }
  const lines = [...groups].map(
    ([what, layers]) =>
      `  ${what} (${layers[0]}${layers.length > 1 ? `, ${layers.length} layers` : ''})`,
  );
  const total = carried.length + lost.length;
  const kept = `Other norms: ${carried.length} of ${total} of their tensors carried over`;
  return lost.length === 0 ? `${kept}.` : [`${kept}; not:`, ...lines].join('\n');
}

function epochLine(event: ProgressEvent): string {
  const where = event.event === 'stopped' ? `stopped at step ${event.step}` : `step ${event.step}`;
  const { epoch, epochs, imagesPerSecond, seconds } = event;
  const loss = event.loss === null ? '-' : event.loss.toFixed(4);
  const speed = `${Math.round(imagesPerSecond)} img/s, ${showSeconds(seconds)}`;
  const accuracy = showShare(event.accuracy);
  return `epoch ${epoch}/${epochs} (${where}): loss ${loss}, accuracy ${accuracy}, ${speed}`;
}

/** The layer whose shards lie furthest from their sync groups. */
function diagnosticsLine({ step, layers }: DiagnosticsEvent): string {
  const { path, worst } = layers.reduce((a, b) =>
    severityOf(b.worst) > severityOf(a.worst) ? b : a,
  );
  const { meanShift, varianceFactor, deadShare, nonFinite, conditioning } = worst;
  const isAlone = meanShift === 0 && varianceFactor === 1;
  const found = [
    ...(isAlone
      ? ['each replica is its own sync group']
      : [`means ${showNumber(meanShift)} std apart`, `variances x${showNumber(varianceFactor)}`]),
    ...(conditioning >= WORTH_TELLING_CONDITIONING
      ? [`|mean|/std ${conditioning.toExponential(1)}`]
      : []),
    ...(deadShare > 0 ? [`${showShare(deadShare, 1)} dead channels`] : []),
    ...(nonFinite > 0 ? [`${nonFinite} channels with NaN or infinity`] : []),
  ];
  return `batch statistics at step ${step}, worst ${path}:\n  ${found.join(', ')}`;
}

function showNumber(value: number): string {
  return Number.isNaN(value) ? '-' : value.toPrecision(3);
}

function resultRows(done: DoneEvent, start: StartEvent | undefined): Record<string, string>[] {
  const rows: [string, string][] = [
    ['test accuracy', paint('green', showShare(done.testAccuracy))],
    ['test loss', done.testLoss === null ? '-' : done.testLoss.toFixed(4)],
    ['images/s', `${Math.round(done.imagesPerSecond)}`],
    ['training', showSeconds(done.seconds)],
  ];
  if (start !== undefined) {
    rows.push(
      ['norm', start.norm],
      ['replicas x batch', showBatch(start)],
      ['workers', `${start.workers}`],
    );
  }
  rows.push(['weights', done.weightsHash.slice(0, 16)]);
  return rows.map(([result, value]) => ({ result, value }));
}

/** Replicas times the samples of each; how many in all where they are not equally many. */
function showBatch({ replicas, globalBatch }: StartEvent): string {
  const isEven = globalBatch % replicas === 0;
  return isEven ? `${replicas} x ${globalBatch / replicas}` : `${globalBatch} over ${replicas}`;
}

function showShare(share: number | null, digits = 2): string {
  return share === null ? '-' : `${(share * 100).toFixed(digits)} %`;
}

/** m:ss, or h:mm:ss from one hour on. */
function showClock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const twoDigits = (value: number): string => `${value % 60}`.padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${twoDigits(whole)}`;
  return `${Math.floor(minutes / 60)}:${twoDigits(minutes)}:${twoDigits(whole)}`;
}

function showSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
