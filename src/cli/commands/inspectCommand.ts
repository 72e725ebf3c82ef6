// `syncbn inspect`: the contents of a checkpoint: the model layer by layer, the settings, its
// progress, and the memory that a run of it takes.

import { UsageError } from '../../base/errors.ts';
import { showShape, sizeOf } from '../../base/shape.ts';
import { type Checkpoint, savedLosses, type WrittenBy } from '../../checkpoint/checkpoint.ts';
import { readCheckpoint } from '../../checkpoint/checkpointFile.ts';
import { hashWeights } from '../../checkpoint/state.ts';
import { planEpoch } from '../../data/loading/sampler.ts';
import { showBytes } from '../../memory/layout.ts';
import { convAlgorithmsOf } from '../../nn/convert/directConvolutions.ts';
import { explainNorms, type NormExplanation } from '../../nn/convert/explainNorms.ts';
import { GROUP_RULE } from '../../nn/convert/groupRule.ts';
import { normsOf } from '../../nn/convert/normLeaf.ts';
import { buildGraph, type Graph } from '../../nn/graph/graph.ts';
import { parseModel } from '../../nn/models/parse.ts';
import { lossModulesOf } from '../../nn/specs/lossModules.ts';
import { customModulesOf, type LayerSpec } from '../../nn/specs/spec.ts';
import { showLrScaling } from '../../optim/lrScaling.ts';
import { checkRunConfig, type RunConfig, trainCounts } from '../../plan/config.ts';
import { dataBytesOf } from '../../plan/dataBytes.ts';
import { smallestBatch } from '../../plan/feasible.ts';
import { memoryOf, planRun, type RunPlan } from '../../plan/plan.ts';
import { grainStart } from '../../reduce/grains.ts';
import { configOf } from '../../runtime/resume.ts';
import { say, screen } from '../output/screen.ts';
import { printTable } from '../output/tables.ts';
import { paint } from '../output/text.ts';
import type { Flags } from '../settings/flags.ts';

const REGIONS_SHOWN = 8;

interface LayerRow {
  readonly layer: string;
  readonly output: string;
  readonly parameters: number;
  /** What the layer normalizes over, `-` for layers that do not normalize. */
  readonly statistics: string;
}

export async function runInspect(flags: Flags, path: string | undefined): Promise<number> {
  if (path === undefined) {
    throw new UsageError({
      what: 'syncbn inspect',
      problem: 'requires a checkpoint',
      hint: 'syncbn inspect run.ckpt',
    });
  }
  const saved = await readCheckpoint(path);
  const model = parseModel(saved.model, `the model of ${path}`);
  const graph = buildGraph(model, saved.data.inputShape);
  // Nothing is imported here, so the needs of custom layers and of those after them stay unknown.
  const modules = [...customModulesOf(model), ...lossModulesOf(savedLosses(saved.run))];
  const plan = modules.length === 0 ? planOf(saved, model) : undefined;
  const { countTrain } = countsOf(saved);
  const { stepsPerEpoch } = planEpoch({ ...saved.run, countSamples: countTrain });
  const summary = {
    path,
    data: saved.data,
    run: saved.run,
    writtenBy: saved.writtenBy ?? null,
    counters: saved.counters,
    norms: normsOf(model),
    convolutions: convAlgorithmsOf(model),
    normChoices: plan === undefined ? [] : normChoices(saved, model),
    layers: layerRows(graph, saved),
    modules,
    stepsPerEpoch,
    grains: plan === undefined ? null : plan.grains.cut.count,
    memoryBytes: plan?.layout.sizeBytes ?? null,
    parkedBytes: plan?.parkedBytes ?? null,
    microBatches: plan === undefined ? null : memoryOf(plan).microBatches,
    dataBytes: plan === undefined ? null : dataBytesOf(plan.config),
    weightsHash: hashWeights(saved.tensors),
  };
  if (flags.isSet('json')) screen.sayJson({ event: 'inspected', ...summary });
  else show(saved, plan, summary);
  return 0;
}

function planOf(saved: Checkpoint, model: LayerSpec): RunPlan {
  const config: RunConfig = { ...configOf(saved, model, 1), microBatches: 'auto' };
  checkRunConfig(config);
  return planRun(config);
}

function countsOf({ data, run }: Checkpoint): ReturnType<typeof trainCounts> {
  return trainCounts(data.countTrain, run.validationSplit);
}

function normChoices(saved: Checkpoint, model: LayerSpec): readonly NormExplanation[] {
  const { replicas } = saved.run;
  const { inputShape } = saved.data;
  const replicaBatch = smallestBatch(countsOf(saved), saved.run) / replicas;
  return explainNorms(model, { inputShape, replicas, replicaBatch });
}

function show(
  saved: Checkpoint,
  plan: RunPlan | undefined,
  summary: {
    readonly norms: readonly string[];
    readonly convolutions: readonly string[];
    readonly normChoices: readonly NormExplanation[];
    readonly layers: readonly LayerRow[];
    readonly modules: readonly string[];
    readonly stepsPerEpoch: number;
    readonly weightsHash: string;
  },
): void {
  const { run, data, counters } = saved;
  const epochs = (counters.step / summary.stepsPerEpoch).toFixed(2);
  printTable(summary.layers.map((row) => ({ ...row, parameters: `${row.parameters}` })));
  showNorms(summary.normChoices);
  const total = summary.layers.reduce((sum, row) => sum + row.parameters, 0);
  const batch = `${run.globalBatch} over ${run.replicas} replicas`;
  printTable(
    [
      ['parameters', `${total}`],
      ['norm', summary.norms.join(', ') || 'none'],
      ['convolutions', summary.convolutions.join(', ') || 'none'],
      [
        'data',
        `${data.name}, ${data.countTrain} + ${data.countTest} of ${showShape(data.inputShape)}`,
      ],
      ...(run.validationSplit === undefined
        ? []
        : [['validation', `${countsOf(saved).countValidation} of the ${data.countTrain}`]]),
      ['done', `${counters.step} steps, ${epochs} of ${counters.epochs} epochs`],
      ['global batch', batch],
      ...(run.shards === undefined ? [] : [['shards', run.shards]]),
      ...windowRows(run),
      ...(plan === undefined ? [] : [['grains', showGrains(plan)]]),
      ...specRows('optimizer', run.optimizer),
      ...(run.lrScaling === undefined ? [] : [['  lr scaled', showLrScaling(run.lrScaling)]]),
      ...specRows('schedule', run.schedule),
      ['seed, mode', `${run.seed}, ${run.mode}`],
      ...writerRows(saved.writtenBy),
    ].map(([setting, value]) => ({ setting: setting!, value: value! })),
  );
  // Too long for a table on a terminal of 80 columns.
  say(`weights ${paint('green', summary.weightsHash)}`);
  if (plan === undefined) {
    say('Custom layers, whose code inspect does not run, are from:');
    for (const module of summary.modules) say(`  ${module}`);
    return;
  }
  const { microBatches, parkedBytes, arenaBytes } = memoryOf(plan);
  const how = microBatches === 1 ? '' : ` in ${microBatches} micro-batches`;
  const parked = parkedBytes === 0 ? '' : `, ${showBytes(parkedBytes)} parked`;
  const samples = showBytes(dataBytesOf(plan.config));
  const { keptBytes, sparedBytes } = plan.workers[0]!.storage;
  say(`Memory of a run on 1 worker${how}: ${showBytes(arenaBytes)}${parked}, and`);
  say(`${samples} of data outside it.`);
  say(`Activations that wait for backward take ${showBytes(keptBytes)} of the arena.`);
  say(`Backward derives ${showBytes(sparedBytes)} of others, which are not stored.`);
  say('Largest regions:');
  printTable(
    plan.layout.largest(REGIONS_SHOWN).map(({ name, type, shape, sizeBytes, writer }) => ({
      region: name,
      shape: `${type} ${showShape(shape)}`,
      size: showBytes(sizeBytes),
      writer,
    })),
  );
}

/** The samples that are shuffled among each other, if those are not all. */
function windowRows({ window }: Checkpoint['run']): string[][] {
  if (window === undefined) return [];
  const { chunks, chunkSamples } = window;
  return [['window', `${chunks * chunkSamples} samples in ${chunks} chunks`]];
}

/** What wrote the checkpoint, and which kernels its run used. */
function writerRows(writer: WrittenBy | undefined): string[][] {
  if (writer === undefined) return [];
  const { library, node, engine, kernels, build } = writer;
  return [
    ['written by', `syncbn ${library} on Node ${node} (${engine})`],
    ['kernels', build === 'wide' ? `wide, with the bits of ${kernels}` : kernels],
  ];
}

/** How a full batch is divided: `32 of 3 to 4 samples`. */
function showGrains({ grains, config }: RunPlan): string {
  const { cut } = grains;
  const starts = Array.from({ length: cut.count + 1 }, (_, grain) =>
    grainStart(cut, config.globalBatch, grain),
  );
  const sizes = starts.slice(1).map((start, grain) => start - starts[grain]!);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const size = least === most ? `${most}` : `${least} to ${most}`;
  const borders = cut.shards === 1 ? '' : `, ${cut.count / cut.shards} in each replica`;
  return `${cut.count} of ${size} ${most === 1 ? 'sample' : 'samples'}${borders}`;
}

/** For each norm, its kind, how many values it covers, and what --norm auto would choose and
 * why. */
function showNorms(choices: readonly NormExplanation[]): void {
  if (choices.length === 0) return;
  printTable(
    choices.map(({ layer, norm, values, auto }) => ({
      norm: layer,
      is: norm,
      values: `${values}`,
      auto,
    })),
  );
  for (const { layer, auto, why } of choices) say(`auto, ${layer}: ${auto}; ${why}`);
  say(`Group norm by default: ${GROUP_RULE}`);
}

/** A row for each setting of an optimizer or schedule. */
function specRows(what: string, spec: { readonly kind: string }): string[][] {
  const { kind, ...rest } = spec;
  return [[what, kind], ...Object.entries(rest).map(([name, value]) => [`  ${name}`, `${value}`])];
}

function layerRows(graph: Graph, saved: Checkpoint): readonly LayerRow[] {
  const { replicas } = saved.run;
  const parametersOf = (path: string): number =>
    saved.tensors
      .filter(({ group, name }) => group === 'parameter' && name.startsWith(`parameter ${path}.`))
      .reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return graph.operations.flatMap((operation) => {
    if (operation.op !== 'layer') return [];
    const { kind, spec, output, path } = operation;
    const parameters = parametersOf(path);
    const statistics = (kind.norm ?? kind.innerNorm)?.scope(spec, replicas) ?? '-';
    return [{ layer: path, output: showShape(graph.shapes[output]!), parameters, statistics }];
  });
}
