// The terminal output of a run: a line for each epoch, a progress bar below them, tables at the
// end.

import { showBytes } from '../../memory/layout.ts';
import { severityOf } from '../../observe/diagnostics.ts';
import { Bar, type BarFields } from './bar.ts';
import type {
  ConvertedEvent,
  DiagnosticsEvent,
  DoneEvent,
  ProfileEvent,
  ProgressEvent,
  RunEvent,
  Sink,
  StartEvent,
  ValidationScores,
} from './events.ts';
import { profileTables } from './profileTable.ts';
import { type Screen, screen } from './screen.ts';
import { loadTables, printTable } from './tables.ts';
import { oneLine, paint } from './text.ts';

/** From here on, float32 inputs lose ten of their 24 bits when the mean is subtracted. */
const WORTH_TELLING_CONDITIONING = 1000;

/** Fits a line of 80 columns up to 99 epochs, 99,999 images/s and ten hours left. */
const BAR = {
  format: '{bar} {percentage}%  {epoch}  {speed}  loss {loss}  acc {accuracy}  {left}',
  size: 10,
};

/** Shows a run on the terminal. */
export function terminalSink(to: Screen = screen): Sink {
  const bar = to.isTerminal ? new Bar(to, BAR) : undefined;
  let start: StartEvent | undefined;
  return {
    take(event: RunEvent) {
      switch (event.event) {
        case 'start':
          start = event;
          to.say(startLines(event));
          // Runs during the first step.
          setImmediate(loadTables);
          break;
        case 'converted':
          to.say(conversionLines(event));
          break;
        case 'progress':
          bar?.draw(event.totalSteps, event.step, barFields(event));
          break;
        case 'epoch':
        case 'stopped':
          if (isLast(event)) bar?.end();
          else bar?.draw(event.totalSteps, event.step, barFields(event));
          to.say(epochLine(event));
          break;
        case 'diagnostics':
          to.say(diagnosticsLine(event));
          break;
        case 'checkpoint':
          to.say(`Checkpoint of step ${event.step} written to ${oneLine(event.path)}.`);
          break;
        case 'profile':
          printProfile(event, to);
          break;
        case 'trace':
          to.say(`Trace of the last ${event.steps} steps written to ${oneLine(event.path)}.`);
          break;
        case 'notice':
          to.warn(`syncbn: ${event.message}`);
          break;
        case 'watch':
          to.say(`Watch it at ${event.url}`);
          break;
        case 'report':
          to.say(`Report written to ${oneLine(event.path)}.`);
          break;
        case 'tensorboard':
          to.say(`Events for TensorBoard written to ${oneLine(event.path)}.`);
          break;
        case 'done':
          bar?.end();
          printTable(resultRows(event, start), to);
          break;
        case 'error':
          bar?.end();
          to.warn(`syncbn: ${event.message}`);
      }
    },
    close: () => bar?.end(),
  };
}

function printProfile(event: ProfileEvent, to: Screen): void {
  const { heading, phases, layers } = profileTables(event);
  to.say(heading);
  printTable(phases, to);
  printTable(layers, to);
}

function barFields(event: ProgressEvent): BarFields {
  return {
    epoch: `epoch ${event.epoch}/${event.epochs}`,
    speed: paint('bold', `${Math.round(event.imagesPerSecond)} img/s`),
    loss: event.loss === null ? '-' : event.loss.toFixed(3),
    accuracy: showShare(event.accuracy, 1),
    left: event.secondsLeft === null ? '' : `${showClock(event.secondsLeft)} left`,
  };
}

function startLines(event: StartEvent): string {
  const { norm, replicas, workers, globalBatch, parameters, memoryBytes, dataBytes } = event;
  const [model, data] = [event.model, event.data].map((name) => paint('bold', oneLine(name)));
  const what = `${model} on ${data}, ${paint('bold', norm)}`;
  const { microBatches, parkedBytes } = event;
  const parts = microBatches === 1 ? '' : ` in ${microBatches} micro-batches`;
  const parked = parkedBytes === 0 ? '' : `, ${showBytes(parkedBytes)} parked`;
  const samples = showBytes(dataBytes);
  const memory = `${showBytes(memoryBytes)} of shared memory${parked}, ${samples} of data`;
  const threads = `${workers} workers${showProcesses(event)}`;
  const { optimizer, learningRate, lrScaling, schedule } = event;
  const scaling = lrScaling === null ? '' : `, scaled ${lrScaling}`;
  const rate = `learning rate ${Number(learningRate.toPrecision(6))}${scaling}`;
  return `${what}, ${parameters} parameters
${replicas} replicas on ${threads}, global batch ${globalBatch}${parts}
${memory}
${optimizer}, ${rate}, ${schedule} schedule
${showKernels(event)}${event.stream === null ? '' : `\n${data}: ${event.stream}`}`;
}

/** The kernels in use; for `fast` numbers, also why they are not the fastest ones. */
function showKernels({ mode, kernels, whyNotWide }: StartEvent): string {
  const why = mode === 'strict' || whyNotWide === null ? '' : ` (not wide: ${whyNotWide})`;
  return `${kernels} kernels${why}`;
}

function showProcesses({ processes, hosts }: StartEvent): string {
  if (processes === 1) return '';
  const names = [...new Set(hosts)];
  return ` in ${processes} processes on ${names.length === 1 ? 'one host' : names.join(', ')}`;
}

/** What did not carry over: one line for each kind of tensor and reason. */
function conversionLines({ weights, carried, lost }: ConvertedEvent): string {
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
  const kept =
    weights === null
      ? `Other norms: ${carried.length} of ${total} of their tensors carried over`
      : `Weights of ${oneLine(weights)}: ${carried.length} of ${total} tensors carried over`;
  return lost.length === 0 ? `${kept}.` : [`${kept}; not:`, ...lines].join('\n');
}

function isLast({ event, step, totalSteps, stopsEarly }: ProgressEvent): boolean {
  return event === 'stopped' || step === totalSteps || stopsEarly;
}

function epochLine(event: ProgressEvent): string {
  const where = event.event === 'stopped' ? `stopped at step ${event.step}` : `step ${event.step}`;
  const { epoch, epochs, imagesPerSecond, seconds } = event;
  const { learningRate, validation, best, stopsEarly } = event;
  const rate = learningRate === null ? '-' : `${Number(learningRate.toPrecision(3))}`;
  const speed = `lr ${rate}, ${Math.round(imagesPerSecond)} img/s, ${showSeconds(seconds)}`;
  const line = `epoch ${epoch}/${epochs} (${where}): ${showScores(event)}, ${speed}`;
  if (validation === null) return line;
  const mark = best?.epoch === epoch ? ', best so far' : '';
  const end = stopsEarly ? `\nstopped early: no epoch was better than epoch ${best!.epoch}` : '';
  return `${line}\n  validation ${showScores(validation)}${mark}${end}`;
}

/** Scores of training, or of a validation. */
interface Scores extends Pick<ValidationScores, 'loss' | 'accuracy'> {
  readonly meanIou?: number;
}

function showScores({ loss, accuracy, meanIou }: Scores): string {
  const iou = meanIou === undefined ? '' : `, mIoU ${showShare(meanIou)}`;
  return `loss ${showLoss(loss)}, acc ${showShare(accuracy)}${iou}`;
}

/** The layer whose shards are furthest from their sync groups. */
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

function showLoss(loss: number | null): string {
  return loss === null ? '-' : loss.toFixed(4);
}

function averageRows(done: DoneEvent): [string, string][] {
  const { averageAccuracy, averageLoss, averageMeanIou } = done;
  if (averageLoss === undefined || averageAccuracy === undefined) return [];
  return [
    ['accuracy of the average', paint('green', showShare(averageAccuracy))],
    ...iouRow('mIoU of the average', averageMeanIou),
    ['loss of the average', showLoss(averageLoss)],
  ];
}

function iouRow(name: string, share: number | undefined): [string, string][] {
  return share === undefined ? [] : [[name, paint('green', showShare(share))]];
}

function resultRows(done: DoneEvent, start: StartEvent | undefined): Record<string, string>[] {
  const rows: [string, string][] = [
    ['test accuracy', paint('green', showShare(done.testAccuracy))],
    ...iouRow('test mIoU', done.testMeanIou),
    ['test loss', showLoss(done.testLoss)],
    ...averageRows(done),
    ['images/s', done.seconds === 0 ? '-' : `${Math.round(done.imagesPerSecond)}`],
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

/** Replicas times samples per replica; the total if replicas have unequal sizes. */
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
