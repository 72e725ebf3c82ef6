// `syncbn train`: runs a trainer, tells what happens, writes checkpoints, and ends well when it is
// interrupted.

import { UsageError } from '../base/errors.ts';
import { checkWritable } from '../base/wholeFile.ts';
import type { Dataset } from '../data/dataset.ts';
import { normsOf } from '../nn/normLeaf.ts';
import type { RunState } from '../report/history.ts';
import type { Evaluation } from '../runtime/evaluation.ts';
import type { Progress } from '../runtime/progress.ts';
import { Trainer } from '../runtime/trainer.ts';
import { readCheckpoint } from '../train/checkpoint.ts';
import { ON_NON_FINITE } from '../train/onNonFinite.ts';
import {
  type DoneEvent,
  doneEvent,
  jsonSink,
  known,
  logSink,
  type ProgressEvent,
  type RunEvent,
  type Sink,
  type StartEvent,
} from './events.ts';
import { errorEvent } from './failure.ts';
import type { Flags } from './flags.ts';
import { checkAgreement } from './resumeSettings.ts';
import { type ReportAsked, type RunReport, reportAsked, startReport } from './runReport.ts';
import {
  DEFAULTS,
  dataFrom,
  isProfiled,
  modelFrom,
  normFrom,
  trainerOptionsFrom,
} from './settings.ts';
import { catchSignals, SIGNAL_CODES, type Signal } from './signals.ts';
import { terminalSink } from './terminal.ts';
import { checkTraceWritable, writeTrace } from './traceFile.ts';

const TERMINAL_PROGRESS_MS = 100;
const JSON_PROGRESS_MS = 1000;

/** What the flags ask for beyond the run itself. */
interface Asked {
  readonly epochs: number | undefined;
  readonly maxSteps: number | undefined;
  readonly checkpoint: string | undefined;
  readonly checkpointEvery: number | undefined;
  /** Tell where the time of the steps has gone. */
  readonly profile: boolean;
  /** Where to write the last steps. */
  readonly trace: string | undefined;
  readonly progressEveryMs: number;
}

interface Plan extends Asked {
  readonly epochs: number;
}

export async function runTrain(flags: Flags): Promise<number> {
  const isJson = flags.isSet('json');
  const asked = readAsked(flags, isJson);
  if (asked.checkpoint !== undefined) {
    await checkWritable(asked.checkpoint, `checkpoint to write, ${asked.checkpoint}`);
  }
  if (asked.trace !== undefined) await checkTraceWritable(asked.trace);
  const report = await reportAsked(flags);
  const log = flags.text('log');
  const logs = log === undefined ? [] : [logSink(log)];
  const sinks = [isJson ? jsonSink() : terminalSink(), ...logs];
  try {
    const data = await dataFrom(flags);
    const onNotice = (message: string): void => {
      for (const sink of sinks) sink.take({ event: 'notice', message });
    };
    const trainer = await startTrainer(flags, data, onNotice);
    try {
      // A checkpoint knows how many epochs its run was to have.
      const plan = { ...asked, epochs: asked.epochs ?? (trainer.epochs || 1) };
      checkPlan(flags, plan, trainer);
      return await runPlan(trainer, { plan, data, sinks, model: modelName(flags), report });
    } finally {
      await trainer.close();
    }
  } catch (error) {
    for (const sink of logs) sink.take(errorEvent(error));
    throw error;
  } finally {
    for (const sink of sinks) sink.close();
  }
}

function readAsked(flags: Flags, isJson: boolean): Asked {
  const asked: Asked = {
    epochs: flags.integer('epochs', 1),
    maxSteps: flags.integer('max-steps', 1),
    checkpoint: flags.text('checkpoint'),
    checkpointEvery: flags.integer('checkpoint-every', 1),
    profile: flags.isSet('profile'),
    trace: flags.text('trace'),
    progressEveryMs: isJson ? JSON_PROGRESS_MS : TERMINAL_PROGRESS_MS,
  };
  if (asked.checkpointEvery === undefined || asked.checkpoint !== undefined) return asked;
  throw new UsageError({
    what: '--checkpoint-every',
    given: 'without --checkpoint',
    allowed: 'with a file to write to',
    hint: '--checkpoint run.ckpt',
  });
}

/** What to call the model; a checkpoint does not know its name. */
function modelName(flags: Flags): string {
  const resumed = flags.text('resume');
  return flags.text('model') ?? (resumed === undefined ? DEFAULTS.model : `model of ${resumed}`);
}

async function startTrainer(
  flags: Flags,
  data: Dataset,
  onNotice: (notice: string) => void,
): Promise<Trainer> {
  const path = flags.text('resume');
  if (path === undefined) {
    const options = trainerOptionsFrom(flags, data, await modelFrom(flags, data));
    return Trainer.start({ ...options, onNotice });
  }
  await checkAgreement(flags, path, await readCheckpoint(path), data);
  const workers = flags.integer('workers', 1);
  const timeoutMs = flags.integer('timeout-ms', 1);
  const diagnosticsEvery = flags.integer('diagnostics', 0);
  const onNonFinite = flags.choice('on-non-finite', ON_NON_FINITE);
  return Trainer.resume(path, {
    data,
    onNotice,
    profile: isProfiled(flags),
    ...(workers !== undefined && { workers }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(diagnosticsEvery !== undefined && { diagnosticsEvery }),
    ...(onNonFinite !== undefined && { onNonFinite }),
    ...(flags.has('norm') && { norm: normFrom(flags) }),
  });
}

function checkPlan(flags: Flags, plan: Plan, trainer: Trainer): void {
  const { step, stepsPerEpoch } = trainer;
  const isBySteps = plan.maxSteps !== undefined && plan.maxSteps < plan.epochs * stepsPerEpoch;
  if (step < (isBySteps ? plan.maxSteps : plan.epochs * stepsPerEpoch)) return;
  const epochs = Math.floor(step / stepsPerEpoch);
  throw new UsageError({
    what: `${isBySteps ? '--max-steps' : '--epochs'} with --resume ${flags.text('resume')}`,
    given: isBySteps ? plan.maxSteps : plan.epochs,
    allowed: `more than the checkpoint has done, ${step} steps, ${epochs} epochs`,
    hint: isBySteps ? `--max-steps ${step + 1}` : `--epochs ${epochs + 1}`,
  });
}

interface RunSetup {
  readonly plan: Plan;
  readonly data: Dataset;
  readonly sinks: readonly Sink[];
  readonly model: string;
  readonly report: ReportAsked | undefined;
}

async function runPlan(trainer: Trainer, setup: RunSetup): Promise<number> {
  const { plan, data, sinks } = setup;
  const tell = (event: RunEvent): void => {
    for (const sink of sinks) sink.take(event);
  };
  const quit = (): void => {
    for (const sink of sinks) sink.close();
  };
  const signals = catchSignals(() => trainer.stop(), quit);
  let report: RunReport | undefined;
  let end: RunState = { kind: 'stopped' };
  try {
    const start: StartEvent = {
      event: 'start',
      data: data.name,
      model: setup.model,
      norm: normsOf(trainer.config.model).join(', ') || 'none',
      replicas: trainer.replicas,
      workers: trainer.workers,
      globalBatch: trainer.globalBatch,
      epochs: plan.epochs,
      stepsPerEpoch: trainer.stepsPerEpoch,
      step: trainer.step,
      seed: trainer.config.seed,
      mode: trainer.config.mode,
      parameters: trainer.countParameters,
      memoryBytes: trainer.layout.sizeBytes,
    };
    tell(start);
    if (setup.report !== undefined) report = await startReport(setup.report, trainer, start);
    if (report?.url !== undefined) tell({ event: 'watch', url: report.url });
    const { conversion } = trainer;
    if (conversion.length > 0) {
      const carried = conversion.filter((tensor) => tensor.carried);
      const lost = conversion.filter((tensor) => !tensor.carried);
      tell({ event: 'converted', carried, lost });
    }
    const training = await fit(trainer, { plan, tell, report }, signals);
    await tellProfile(trainer, plan, tell);
    const { caught } = signals;
    if (caught !== undefined) {
      const where = plan.checkpoint === undefined ? '' : ` The checkpoint is ${plan.checkpoint}.`;
      console.error(`syncbn: stopped by ${caught} after step ${trainer.step}.${where}`);
      return SIGNAL_CODES[caught];
    }
    const done = await finish(trainer, training, data);
    tell(done);
    end = { kind: 'done', testLoss: done.testLoss, testAccuracy: done.testAccuracy };
    return signals.caught === undefined ? 0 : SIGNAL_CODES[signals.caught];
  } catch (error) {
    end = { kind: 'failed', message: errorEvent(error).message };
    throw error;
  } finally {
    signals.release();
    await report?.end(end);
    const { report: asked } = setup;
    if (report !== undefined && asked?.file !== undefined)
      tell({ event: 'report', path: asked.file });
  }
}

interface FitSetup {
  readonly plan: Plan;
  readonly tell: (event: RunEvent) => void;
  readonly report: RunReport | undefined;
}

/** Trains to the end of the plan or to a signal, and writes the checkpoints on the way. */
async function fit(
  trainer: Trainer,
  { plan, tell, report }: FitSetup,
  signals: { readonly caught: Signal | undefined },
): Promise<{ readonly imagesPerSecond: number; readonly seconds: number }> {
  const { epochs, progressEveryMs, checkpoint, checkpointEvery } = plan;
  const end = Math.min(epochs * trainer.stepsPerEpoch, plan.maxSteps ?? Infinity);
  let images = 0;
  let seconds = 0;
  let written = -1;
  let told: ProgressEvent | undefined;
  let sampled: number | undefined;
  const save = async (): Promise<void> => {
    if (checkpoint === undefined || written === trainer.step) return;
    await trainer.save(checkpoint);
    written = trainer.step;
    tell({ event: 'checkpoint', path: checkpoint, step: written });
  };
  const tellDiagnostics = (): void => {
    const sample = trainer.diagnostics();
    if (sample === undefined || sample.step === sampled) return;
    sampled = sample.step;
    tell({ event: 'diagnostics', ...sample });
  };
  while (trainer.step < end && signals.caught === undefined) {
    const next = Math.min(end, nextStop(trainer, checkpointEvery));
    let last: Progress | undefined;
    for await (const progress of trainer.fit({ epochs, maxSteps: next, progressEveryMs })) {
      last = progress;
      const isPause = progress.kind === 'stopped' && trainer.step < end && !signals.caught;
      const total = seconds + progress.seconds;
      const speed = (images + progress.imagesPerSecond * progress.seconds) / total;
      const event = isPause ? 'progress' : progress.kind;
      told = { ...eventOf(progress, end), event, seconds: total, imagesPerSecond: speed };
      tell(told);
      report?.look({ ...progress, totalSteps: end }, total);
      if (event !== 'progress') tellDiagnostics();
    }
    images += (last?.imagesPerSecond ?? 0) * (last?.seconds ?? 0);
    seconds += last?.seconds ?? 0;
    await save();
  }
  const isStopTold = signals.caught === undefined || told?.event === 'stopped';
  if (told !== undefined && !isStopTold) tell({ ...told, event: 'stopped' });
  return { imagesPerSecond: images / seconds, seconds };
}

/** Tells and writes what is asked for of the profile. */
async function tellProfile(
  trainer: Trainer,
  { profile: isTold, trace }: Plan,
  tell: (event: RunEvent) => void,
): Promise<void> {
  const profile = trainer.profile();
  if (profile === undefined) return;
  const { spans, ...times } = profile;
  if (isTold) tell({ event: 'profile', ...times });
  if (trace === undefined) return;
  await writeTrace(trace, spans);
  tell({ event: 'trace', path: trace, steps: new Set(spans.map(({ step }) => step)).size });
}

/** The step at which the next checkpoint is due: the end of the epoch, or earlier. */
function nextStop(trainer: Trainer, every: number | undefined): number {
  const { step, stepsPerEpoch } = trainer;
  const after = (interval: number): number => (Math.floor(step / interval) + 1) * interval;
  return Math.min(after(stepsPerEpoch), every === undefined ? Infinity : after(every));
}

async function finish(
  trainer: Trainer,
  training: { readonly imagesPerSecond: number; readonly seconds: number },
  data: Dataset,
): Promise<DoneEvent> {
  const evaluation: Evaluation | undefined =
    data.test.count === 0 ? undefined : await trainer.evaluate();
  return doneEvent(training, evaluation, trainer.weightsHash());
}

/** The event of a progress in a run that ends at step `end`. */
function eventOf(progress: Progress, end: number): ProgressEvent {
  const { kind, epoch, epochs, step, totalSteps, imagesPerSecond, seconds } = progress;
  const shareLeft = totalSteps === step ? 0 : (end - step) / (totalSteps - step);
  return {
    event: kind,
    epoch,
    epochs,
    step,
    totalSteps: end,
    loss: known(progress.loss),
    accuracy: known(progress.accuracy),
    imagesPerSecond,
    seconds,
    secondsLeft: known(progress.secondsLeft * shareLeft),
  };
}
