// Starts a run: checks the options, plans it, fills the memory and starts the gang. From then on,
// everything that a step computes stays in shared memory, and the gang is controlled by messages.

import { randomUUID } from 'node:crypto';
import { UsageError } from '../base/errors.ts';
import { type Checkpoint, checkCheckpoint, runIdOf } from '../checkpoint/checkpoint.ts';
import { type CheckpointFile, loaded, openCheckpoint } from '../checkpoint/checkpointFile.ts';
import { type CarriedTensor, convertCheckpoint } from '../checkpoint/convertState.ts';
import { type StartWeights, takeWeights } from '../checkpoint/startWeights.ts';
import { fillArena, stateTensors } from '../checkpoint/state.ts';
import type { TrainingData } from '../data/chunked/chunkedDataset.ts';
import { type DatasetDescription, describeDataset } from '../data/identity.ts';
import { beginStoring } from '../data/stored/storeSamples.ts';
import { startWeightsFrom } from '../interop/weightsSource.ts';
import { compileKernels } from '../kernels/load.ts';
import { createArena, viewOf } from '../memory/arena.ts';
import { showBytes } from '../memory/layout.ts';
import { lossModulesOf } from '../nn/specs/lossModules.ts';
import { loadModules } from '../nn/specs/modules.ts';
import { customModulesOf } from '../nn/specs/spec.ts';
import { checkRunConfig, type RunConfig } from '../plan/config.ts';
import { earlyExchanges, largestExchange } from '../plan/exchanges.ts';
import { planRun, type RunPlan } from '../plan/plan.ts';
import { publishEpoch } from '../reduce/epochSums.ts';
import { type ControlWords, progressWords } from '../sync/words.ts';
import { agree, compareStates } from './agreement.ts';
import { parseResumeOptions, parseTrainerOptions } from './door.ts';
import { elasticSize, startElasticTeam } from './elasticTeam.ts';
import { bindFeeds } from './feeds.ts';
import { bestTensorsOf } from './monitoring.ts';
import { failingForAll, failingTogether, type Network, processNames } from './network.ts';
import { giveNotice, type NoticeSubject, noticesOf } from './notices.ts';
import { checkStart } from './planStart.ts';
import { checkSums, checkTensors, type ResumeOptions, resumeConfig } from './resume.ts';
import { Run } from './run.ts';
import { fixedTeam, openWorkers, startWorkers, type Team, type TeamSetup } from './team.ts';
import { resolveOptions, type TrainerOptions } from './trainerOptions.ts';
import type { RunningTrainer } from './trainerTypes.ts';

/** Starts a run, alone or as one of the processes of a network. */
export async function startOn(
  network: Network | undefined,
  given: TrainerOptions<TrainingData>,
): Promise<RunningTrainer> {
  if (network === undefined) return startHere(network, given);
  return failingForAll(network, () => startHere(network, given));
}

async function startHere(
  network: Network | undefined,
  given: TrainerOptions<TrainingData>,
): Promise<RunningTrainer> {
  const options = parseTrainerOptions(given);
  const { loss, heads = {} } = options;
  const losses = { ...(loss && { loss }), heads: Object.values(heads) };
  const modules = [...customModulesOf(options.model), ...lossModulesOf(losses)];
  await loadModules(modules, options.allowModules);
  const config = resolveOptions(options, network);
  const { weights: source, strictWeights = true } = options;
  const weights =
    source === undefined
      ? undefined
      : await startWeightsFrom(source, strictWeights, {
          model: config.model,
          inputShape: config.data.inputShape,
        });
  const notify = noticesTo(network, options.onNotice);
  giveNotices({ config, data: options.data, norm: options.norm, resumed: undefined }, notify);
  const { data: dataset, epochs = 0, startTimeoutMs } = options;
  let described: DatasetDescription | undefined;
  const describe = (): DatasetDescription => {
    described ??= describeDataset(dataset);
    return described;
  };
  return startRun(network, config, { dataset, describe, notify, epochs, weights, startTimeoutMs });
}

/** Resumes from a checkpoint, alone or as one of the processes of a network. */
export async function resumeOn(
  network: Network | undefined,
  checkpoint: string | Checkpoint,
  given: ResumeOptions,
): Promise<RunningTrainer> {
  if (network === undefined) return resumeHere(network, checkpoint, given);
  return failingForAll(network, () => resumeHere(network, checkpoint, given));
}

async function resumeHere(
  network: Network | undefined,
  checkpoint: string | Checkpoint,
  given: ResumeOptions,
): Promise<RunningTrainer> {
  const options = parseResumeOptions(given);
  const what = typeof checkpoint === 'string' ? `checkpoint ${checkpoint}` : 'checkpoint';
  const read =
    typeof checkpoint === 'string'
      ? await openCheckpoint(checkpoint)
      : loaded(checkCheckpoint(checkpoint));
  const { saved, report } = await convertedAs(what, read, options);
  const { config, data } = await resumeConfig(what, saved.head, options, network);
  const notify = noticesTo(network, options.onNotice);
  giveNotices({ config, data: options.data, norm: options.norm, resumed: saved.head }, notify);
  return startRun(network, config, {
    dataset: options.data,
    describe: () => data,
    notify,
    resumed: { what, saved, report },
    startTimeoutMs: options.startTimeoutMs,
  });
}

/** The first process reports notices on behalf of all. */
function noticesTo(
  network: Network | undefined,
  onNotice: ((notice: string) => void) | undefined,
): (notice: string) => void {
  return network === undefined || network.process === 0 ? (onNotice ?? giveNotice) : () => {};
}

/** Reports what the user should know before the first step. */
function giveNotices(subject: NoticeSubject, notify: (notice: string) => void): void {
  for (const notice of noticesOf(subject)) notify(notice);
}

/** The checkpoint with other normalizations, if requested. */
async function convertedAs(
  what: string,
  read: CheckpointFile,
  { norm, allowModules }: Pick<ResumeOptions, 'norm' | 'allowModules'>,
): Promise<{ readonly saved: CheckpointFile; readonly report: readonly CarriedTensor[] }> {
  if (norm === undefined) return { saved: read, report: [] };
  const { saved, report } = await convertCheckpoint(what, await read.load(), norm, allowModules);
  return { saved: loaded(saved), report };
}

interface Resumed {
  readonly what: string;
  readonly saved: CheckpointFile;
  readonly report: readonly CarriedTensor[];
}

interface Started {
  readonly dataset: TrainingData;
  /** Reads all of the data, which takes a while. */
  readonly describe: () => DatasetDescription;
  readonly notify: (notice: string) => void;
  /** Length of the run in epochs; 0 or absent leaves it to the first fit. */
  readonly epochs?: number;
  /** The weights that a new run starts from; undefined for fresh ones. */
  readonly weights?: StartWeights | undefined;
  readonly resumed?: Resumed;
  readonly startTimeoutMs: number | undefined;
}

async function startRun(
  network: Network | undefined,
  asked: RunConfig,
  started: Started,
): Promise<RunningTrainer> {
  const { describe, notify, resumed, weights } = started;
  const step = resumed?.saved.head.counters.step ?? 0;
  const config =
    network === undefined
      ? asked
      : { ...asked, place: await agree(network, { config: asked, data: describe(), step }) };
  if (network !== undefined) checkRunConfig(config);
  for (const notice of network?.notices ?? []) notify(notice);
  const plan = planRun(config);
  // A resumed run may be used only for evaluation: its fit checks the steps.
  if (resumed === undefined) checkStart(plan);
  checkMemory(plan);
  const module = compileKernels(config.mode);
  const memory = createArena(config.elastic === true ? elasticSize(plan.config) : plan.layout);
  // Threads take about as long to start as data takes to copy. Other data that is written to the
  // arena may not fit, which is checked before any thread is started.
  const isFresh = resumed === undefined && weights === undefined;
  const crew = isFresh ? await openWorkers(plan) : undefined;
  const setup = { plan, memory, module, crew };
  return startPlanned(network, setup, started).catch(async (error: unknown) => {
    await crew?.dismiss();
    throw error;
  });
}

/** Throws a {@link UsageError} if more would be parked than there is memory. Arenas have their own
 * errors, and their pages are allocated when they are written. */
function checkMemory({ layout, parkedBytes, config }: RunPlan): void {
  if (parkedBytes === 0) return;
  const neededBytes = layout.sizeBytes + parkedBytes;
  const freeBytes = process.availableMemory();
  if (neededBytes <= freeBytes) return;
  throw new UsageError({
    what: `the memory of this run in ${config.microBatches} micro-batches`,
    given: `${showBytes(layout.sizeBytes)} and ${showBytes(parkedBytes)} beside the arena`,
    allowed: `at most ${showBytes(freeBytes)}, which is the free memory`,
    hint: 'a smaller batch, or more hosts (--nodes)',
  });
}

/** A run that has its memory, and possibly its threads. */
interface Planned extends Pick<TeamSetup, 'memory' | 'module' | 'crew'> {
  readonly plan: RunPlan;
}

/** Fills the arena, starts the team and passes both to a run. */
async function startPlanned(
  network: Network | undefined,
  { plan, memory, module, crew }: Planned,
  started: Started,
): Promise<RunningTrainer> {
  const { dataset, notify, resumed, startTimeoutMs } = started;
  const counters = resumed?.saved.head.counters;
  const { step, epochs } = counters ?? { step: 0, epochs: started.epochs ?? 0 };
  const { control } = plan.regions;
  fillArena(plan, memory);
  const { samples, fillInputs } = beginStoring(dataset, plan.config);
  const tensors = stateTensors(plan, memory);
  const head = resumed?.saved.head;
  const keepsBest = head?.tensors.some(({ group }) => group === 'best') === true;
  const bestWeights = keepsBest ? bestTensorsOf(tensors) : undefined;
  const { weights } = started;
  const conversion = resumed?.report ?? (weights && takeWeights(tensors, weights)) ?? [];
  const epochSums = viewOf(memory, control.epochSums);
  if (resumed !== undefined) {
    const { what, saved } = resumed;
    const all = [...tensors, ...(bestWeights ?? [])];
    checkTensors(what, all, saved.head);
    checkSums(what, epochSums, saved.head);
    await saved.readInto(all.map(({ values }) => values));
    epochSums.set(saved.head.counters.epochSums);
  }
  const words = viewOf(memory, control.words);
  const published = viewOf(memory, control.epochPublished);
  publishEpoch(published, progressWords(words), epochSums, step);
  if (network !== undefined) await compareStates(network, tensors, 'initial state');
  const shared = network && {
    transport: await network.openTransports([largestExchange(plan), ...earlyExchanges(plan)]),
    names: processNames(network),
  };
  const shares = { memory, module, samples, ...(shared && { network: shared }) };
  const setup = { ...shares, crew, startTimeoutMs };
  const starting =
    network === undefined
      ? startTeam(plan, words, setup, notify)
      : startWorkers(plan, words, setup).then((gang) =>
          fixedTeam(plan, words, failingTogether(gang, network)),
        );
  // The main thread's longest work. It does not need workers, and no worker needs its result yet.
  const fill = async () => {
    fillInputs();
    return started.describe();
  };
  const feeds = bindFeeds(dataset, samples, plan.config);
  const both = Promise.all([starting.then(feeds.feeding), fill()]);
  const [team, data] = await both.catch(async (error: unknown) => {
    await feeds.close();
    throw error;
  });
  const sums = { epochSums, published };
  const length = { epochs, hasOwnLength: (started.epochs ?? 0) > 0 };
  const monitored = head?.monitored ?? {};
  const kept = { monitored, bestWeights, conversion };
  const state = { tensors, ...sums, step, ...length, ...kept };
  const runId = resumed === undefined ? randomUUID() : runIdOf(resumed.saved.head);
  return new Run({ runId, team, data, memory, samples, feeds, notify, network, ...state });
}

/** The team of a run in a single process. */
async function startTeam(
  plan: RunPlan,
  words: ControlWords,
  setup: TeamSetup,
  notify: (notice: string) => void,
): Promise<Team> {
  if (plan.config.elastic === true) return startElasticTeam({ ...setup, plan, notify });
  return fixedTeam(plan, words, await startWorkers(plan, words, setup));
}
