// `syncbn train`: runs a trainer, reports what happens, writes checkpoints, and ends cleanly when
// it is interrupted.

import { hostname } from 'node:os';
import { cleaningUp } from '../../base/cleanup.ts';
import { UsageError } from '../../base/errors.ts';
import { checkWritable } from '../../base/wholeFile.ts';
import type { CheckpointNote } from '../../checkpoint/checkpoint.ts';
import { chooseBuild } from '../../kernels/builds.ts';
import { normsOf } from '../../nn/convert/normLeaf.ts';
import { showLrScaling } from '../../optim/lrScaling.ts';
import { MAX_REPLICAS } from '../../plan/config.ts';
import { ON_NON_FINITE } from '../../plan/onNonFinite.ts';
import { MOST_DRAWN_CLASSES, type RunState } from '../../report/history.ts';
import type { Network } from '../../runtime/network.ts';
import { loadTrainer, Trainer } from '../../runtime/trainer.ts';
import {
  type DoneEvent,
  doneEvent,
  jsonSink,
  type RunEvent,
  type Sink,
  type StartEvent,
} from '../output/events.ts';
import { logSink } from '../output/logFile.ts';
import { screen, warn } from '../output/screen.ts';
import { terminalSink } from '../output/terminal.ts';
import { checkTraceWritable, writeTrace } from '../output/traceFile.ts';
import { collectGarbage } from '../process/collect.ts';
import { errorEvent } from '../process/failure.ts';
import { hasLauncher, isSpeaker, joinPeers, stopAmongPeers } from '../process/peers.ts';
import { catchSignals, SIGNAL_CODES, stoppedBy } from '../process/signals.ts';
import type { Flags } from '../settings/flags.ts';
import { modelName, notedFlags } from '../settings/notedFlags.ts';
import { asksForReport, type ObserversAsked, observersAsked } from '../settings/reportFlags.ts';
import { checkAgreement } from '../settings/resumeSettings.ts';
import { checkSeparateFiles } from '../settings/separateFiles.ts';
import { isProfiled, microBatchesFrom, normFrom, runOptionsFrom } from '../settings/settings.ts';
import { sharedPoint } from '../settings/sharedPoint.ts';
import { spreadFrom } from '../settings/spreadFlags.ts';
import type { StartingPoint } from '../settings/startingPoint.ts';
import { showStream, trainingDataFrom } from '../settings/streamFlags.ts';
import {
  checkBestFile,
  type ValidationAsked,
  validationFrom,
} from '../settings/validationFlags.ts';
import { type MaskSamples, maskSamplesOf, predictMasks } from './maskSamples.ts';
import type { Observer } from './observed.ts';
import { startObservers } from './observers.ts';
import { newestSnapshot } from './snapshots.ts';
import { fit } from './trainLoop.ts';

const TERMINAL_PROGRESS_MS = 100;
const JSON_PROGRESS_MS = 1000;

/** Requests of the flags beyond the run itself. */
interface Asked {
  readonly epochs: number | undefined;
  readonly maxSteps: number | undefined;
  readonly checkpoint: string | undefined;
  readonly checkpointEvery: number | undefined;
  /** How many checkpoints to keep, including the newest one. */
  readonly keep: number | undefined;
  readonly overwrite: boolean;
  /** Whether to report where the time of the steps has gone. */
  readonly profile: boolean;
  /** File for the trace of the last steps. */
  readonly trace: string | undefined;
  readonly progressEveryMs: number;
  readonly validation: ValidationAsked;
  /** File for the best epoch. */
  readonly best: string | undefined;
  /** The flags that checkpoints keep. */
  readonly note: CheckpointNote;
}

/** Facts about the data to report; only the trainer has the samples. */
interface DataFacts {
  readonly name: string;
  readonly countTest: number;
  /** Samples that a report shows. */
  readonly shown: MaskSamples | undefined;
  /** How the data is read; null for data in memory. */
  readonly stream: string | null;
}

interface Plan extends Asked {
  readonly heldStep: StartingPoint['heldStep'];
  readonly epochs: number;
}

export async function runTrain(flags: Flags): Promise<number> {
  const isJson = flags.isSet('json');
  checkSeparateFiles(flags);
  const spread = spreadFrom(flags);
  if (spread !== undefined && !hasLauncher()) {
    const { runSpread } = await import('./spreadCommand.ts');
    return runSpread(spread, process.argv.slice(2));
  }
  const network = await joinPeers(flags.integer('timeout-ms', 1));
  const isFirst = isSpeaker(network);
  const snapshot = network && (await newestSnapshot(network));
  const point = await sharedPoint(flags, network, snapshot);
  const asked = readAsked(flags, isJson, point);
  if (asked.best !== undefined && isFirst) {
    await checkBestFile(asked.best, point.resumed?.saved, asked.overwrite);
  }
  if (asked.checkpoint !== undefined && isFirst) {
    await checkWritable(asked.checkpoint, `checkpoint to write, ${asked.checkpoint}`);
  }
  if (asked.trace !== undefined && isFirst) await checkTraceWritable(asked.trace);
  const observers = isFirst ? await observersAsked(flags) : undefined;
  const log = isFirst ? flags.text('log') : undefined;
  const logs = log === undefined ? [] : [logSink(log, (message) => warn(`syncbn: ${message}`))];
  const sinks = isFirst ? [isJson ? jsonSink() : terminalSink(), ...logs] : [];
  const releaseTrouble = screen.onTrouble((message) => {
    for (const sink of logs) sink.take({ event: 'notice', message });
  });
  const train = async (): Promise<number> => {
    const onNotice = (message: string): void => {
      for (const sink of sinks) sink.take({ event: 'notice', message });
    };
    const { trainer, data } = await startTrainer(flags, point, onNotice);
    // The trainer has its own copy of the samples, so the original ones are freed, during the first
    // step.
    setImmediate(collectGarbage);
    // A checkpoint stores how many epochs its run should have.
    const plan = {
      ...asked,
      heldStep: point.heldStep,
      epochs: asked.epochs ?? (trainer.epochs || 1),
    };
    return cleaningUp(
      async () => {
        const model = modelName(flags, point);
        const { notices } = point;
        const weights = point.resumed === undefined ? (flags.text('weights') ?? null) : null;
        const isReported = asksForReport(flags);
        const told = { sinks, observers, isReported, notices };
        const setup = { plan, data, model, weights, network, ...told };
        const code = await runPlan(trainer, setup);
        // A process that is done waits for those that are still writing.
        if (network !== undefined) await network.allGather(new Uint8Array());
        return code;
      },
      () => trainer.close(),
    );
  };
  const logged = async (): Promise<number> => {
    try {
      return await train();
    } catch (error) {
      for (const sink of logs) sink.take(errorEvent(error));
      throw error;
    }
  };
  const closing = sinks.map((sink) => () => sink.close());
  return cleaningUp(logged, ...closing, releaseTrouble, () => point.release());
}

function readAsked(flags: Flags, isJson: boolean, point: StartingPoint): Asked {
  const { checkpoint, resumed } = point;
  const held = resumed?.saved.run.validationSplit !== undefined;
  const asked: Asked = {
    epochs: flags.integer('epochs', 1),
    maxSteps: flags.integer('max-steps', 1),
    checkpoint,
    checkpointEvery: flags.integer('checkpoint-every', 1),
    keep: flags.integer('keep', 1),
    overwrite: flags.isSet('overwrite'),
    profile: flags.isSet('profile'),
    trace: flags.text('trace'),
    progressEveryMs: isJson ? JSON_PROGRESS_MS : TERMINAL_PROGRESS_MS,
    validation: validationFrom(flags, held || flags.has('validation-split')),
    best: flags.text('best'),
    note: notedFlags(flags, point),
  };
  const lone = ['checkpoint-every', 'keep'].find((name) => flags.has(name));
  if (lone === undefined || asked.checkpoint !== undefined) return asked;
  throw new UsageError({
    what: `--${lone}`,
    problem: 'requires a file to write to',
    hint: '--checkpoint run.ckpt',
  });
}

async function startTrainer(
  flags: Flags,
  { resumed, isRestart }: StartingPoint,
  onNotice: (notice: string) => void,
): Promise<{ readonly trainer: Trainer; readonly data: DataFacts }> {
  const [data] = await Promise.all([trainingDataFrom(flags, resumed?.saved), loadTrainer()]);
  const shown = asksForReport(flags) ? maskSamplesOf(data) : undefined;
  const facts = { name: data.name, countTest: data.test.count, shown };
  const told = (trainer: Trainer) => ({ ...facts, stream: showStream(data, trainer.config) });
  if (resumed === undefined) {
    const options = await runOptionsFrom(flags, data);
    const norm = flags.has('norm') && { norm: normFrom(flags) };
    const trainer = await Trainer.start({ ...options, onNotice, ...norm });
    return { trainer, data: told(trainer) };
  }
  await checkAgreement(flags, { ...resumed, isRestart }, data);
  const workers = flags.integer('workers', 1);
  const timeoutMs = flags.integer('timeout-ms', 1);
  const diagnosticsEvery = flags.integer('diagnostics', 0);
  const onNonFinite = flags.choice('on-non-finite', ON_NON_FINITE);
  const replicas = flags.integer('replicas', 1, MAX_REPLICAS);
  const trainer = await Trainer.resume(resumed.path, {
    data,
    onNotice,
    profile: isProfiled(flags),
    elastic: flags.isSet('elastic'),
    ...microBatchesFrom(flags),
    ...(workers !== undefined && { workers }),
    ...(replicas !== undefined && { replicas }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(diagnosticsEvery !== undefined && { diagnosticsEvery }),
    ...(onNonFinite !== undefined && { onNonFinite }),
    ...(flags.has('norm') && !isRestart && { norm: normFrom(flags) }),
  });
  return { trainer, data: told(trainer) };
}

/** The message if nothing is left to train. */
function nothingLeft({ maxSteps, epochs }: Plan, trainer: Trainer): readonly string[] {
  const { step, stepsPerEpoch } = trainer;
  const isBySteps = maxSteps !== undefined && maxSteps < epochs * stepsPerEpoch;
  if (step < (isBySteps ? maxSteps : epochs * stepsPerEpoch)) return [];
  const more = isBySteps
    ? `--max-steps ${step + 1}`
    : `--epochs ${Math.floor(step / stepsPerEpoch) + 1}`;
  return [`nothing is left to train: ${step} steps are done. ${more} would continue it.`];
}

interface RunSetup {
  readonly plan: Plan;
  readonly data: DataFacts;
  readonly sinks: readonly Sink[];
  readonly model: string;
  /** The file with the weights that a new run starts from. */
  readonly weights: string | null;
  readonly observers: ObserversAsked | undefined;
  /** Whether the printing process has a report. All processes then evaluate. */
  readonly isReported: boolean;
  readonly notices: readonly string[];
  readonly network: Network | undefined;
}

async function runPlan(trainer: Trainer, setup: RunSetup): Promise<number> {
  const { plan, sinks } = setup;
  const tell = (event: RunEvent): void => {
    for (const sink of sinks) sink.take(event);
  };
  const quit = (): void => {
    for (const sink of sinks) sink.close();
  };
  const signals = catchSignals(() => stopAmongPeers(trainer), quit);
  let observer: Observer | undefined;
  let end: RunState = { kind: 'stopped' };
  const run = async (): Promise<number> => {
    const start = startEvent(trainer, setup);
    tell(start);
    if (setup.observers !== undefined) {
      observer = await startObservers(setup.observers, { trainer, start }, tell);
    }
    const { conversion } = trainer;
    if (conversion.length > 0) {
      const carried = conversion.filter((tensor) => tensor.carried);
      const lost = conversion.filter((tensor) => !tensor.carried);
      tell({ event: 'converted', weights: setup.weights, carried, lost });
    }
    const nothing = nothingLeft(plan, trainer);
    for (const message of [...setup.notices, ...nothing]) tell({ event: 'notice', message });
    const training = await fit(trainer, { plan, tell, observer, network: setup.network }, signals);
    tellProfile(trainer, plan, tell);
    const { caught } = training;
    if (caught !== undefined) {
      const where = plan.checkpoint === undefined ? '' : ` The checkpoint is ${plan.checkpoint}.`;
      warn(`syncbn: ${stoppedBy(caught)} after step ${trainer.step}.${where}`);
      return SIGNAL_CODES[caught];
    }
    const { done, state } = await finish(trainer, training, setup);
    tell(done);
    end = state;
    return signals.caught === undefined ? 0 : SIGNAL_CODES[signals.caught];
  };
  const failing = async (): Promise<number> => {
    try {
      return await run();
    } catch (error) {
      end = { kind: 'failed', message: errorEvent(error).message };
      throw error;
    }
  };
  // The trace and the observers' files are not part of the run: if they fail, the run itself has
  // already ended well.
  return cleaningUp(
    failing,
    async () => {
      if (end.kind !== 'failed' && isSpeaker(setup.network)) await tellTrace(trainer, plan, tell);
    },
    () => observer?.end(end),
    () => signals.release(),
  );
}

function startEvent(trainer: Trainer, { plan, data, model, network }: RunSetup): StartEvent {
  const { place, optimizer, schedule, lrScaling } = trainer.config;
  const { arenaBytes, ...memory } = trainer.memory;
  const workers = place?.workers ?? [trainer.workers];
  const { build, whyNotWide } = chooseBuild(trainer.config.mode);
  return {
    event: 'start',
    data: data.name,
    model,
    norm: normsOf(trainer.config.model).join(', ') || 'none',
    replicas: trainer.replicas,
    workers: workers.reduce((sum, count) => sum + count, 0),
    processes: workers.length,
    hosts: network?.hosts ?? [hostname()],
    globalBatch: trainer.globalBatch,
    optimizer: optimizer.kind,
    learningRate: optimizer.lr,
    lrScaling: lrScaling === undefined ? null : showLrScaling(lrScaling),
    schedule: schedule.kind,
    epochs: plan.epochs,
    stepsPerEpoch: trainer.stepsPerEpoch,
    step: trainer.step,
    seed: trainer.config.seed,
    mode: trainer.config.mode,
    kernels: build,
    whyNotWide: whyNotWide ?? null,
    parameters: trainer.countParameters,
    memoryBytes: arenaBytes,
    ...memory,
    dataBytes: trainer.dataBytes,
    stream: data.stream,
  };
}

/** Reports the requested parts of the profile. */
function tellProfile(
  trainer: Trainer,
  { profile: isTold }: Plan,
  tell: (event: RunEvent) => void,
): void {
  const profile = isTold ? trainer.profile() : undefined;
  if (profile === undefined) return;
  const { spans: _spans, ...times } = profile;
  tell({ event: 'profile', ...times });
}

/** Writes the last steps if requested and available. */
async function tellTrace(
  trainer: Trainer,
  { trace }: Plan,
  tell: (event: RunEvent) => void,
): Promise<void> {
  const profile = trace === undefined ? undefined : trainer.profile();
  if (trace === undefined || profile === undefined) return;
  await writeTrace(trace, profile.spans);
  const steps = new Set(profile.spans.map(({ step }) => step)).size;
  tell({ event: 'trace', path: trace, steps });
}

async function finish(
  trainer: Trainer,
  training: { readonly imagesPerSecond: number; readonly seconds: number },
  { data, isReported }: RunSetup,
): Promise<{ readonly done: DoneEvent; readonly state: RunState }> {
  const { task } = trainer.config.data;
  const isDrawn = isReported && task.kind !== 'regression' && task.classes <= MOST_DRAWN_CLASSES;
  const metrics = isDrawn ? (['confusion'] as const) : [];
  const hasTest = data.countTest > 0;
  const raw = hasTest ? await trainer.evaluate('test', { metrics }) : undefined;
  const average =
    hasTest && trainer.hasAverage
      ? await trainer.evaluate('test', { weights: 'average' })
      : undefined;
  const done = doneEvent(training, { raw, average }, trainer.weightsHash());
  const confusion = isDrawn ? raw?.metrics.confusion : undefined;
  const masks = data.shown && (await predictMasks(trainer, data.shown));
  const { testLoss, testAccuracy, testMeanIou } = done;
  const state: RunState = {
    ...{ kind: 'done', testLoss, testAccuracy },
    ...(testMeanIou !== undefined && { testMeanIou }),
    ...(confusion !== undefined && { confusion }),
    ...(masks !== undefined && { masks }),
  };
  return { done, state };
}
