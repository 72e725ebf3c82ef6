// `syncbn inspect`: what a checkpoint holds: the model layer by layer, the settings, how far it is,
// and which memory a run of it takes.

import { UsageError } from '../base/errors.ts';
import { showShape, sizeOf } from '../base/shape.ts';
import { showBytes } from '../memory/layout.ts';
import { normsOf } from '../nn/convertNorm.ts';
import { loadCustomLayers } from '../nn/custom.ts';
import { buildGraph, type Graph } from '../nn/graph.ts';
import { parseModel } from '../nn/parse.ts';
import { customModulesOf } from '../nn/spec.ts';
import { configOf } from '../runtime/resume.ts';
import { type Checkpoint, readCheckpoint } from '../train/checkpoint.ts';
import { planRun, type RunPlan } from '../train/plan.ts';
import { hashWeights } from '../train/state.ts';
import type { Flags } from './flags.ts';
import { paint, printTable } from './terminal.ts';

const REGIONS_SHOWN = 8;

interface LayerRow {
  readonly layer: string;
  readonly output: string;
  readonly parameters: number;
}

export async function runInspect(flags: Flags, path: string | undefined): Promise<number> {
  if (path === undefined) {
    throw new UsageError({
      what: 'syncbn inspect',
      given: 'no checkpoint',
      allowed: 'a checkpoint',
      hint: 'syncbn inspect run.ckpt',
    });
  }
  const saved = await readCheckpoint(path);
  const model = parseModel(saved.model, `the model of ${path}`);
  await loadCustomLayers(customModulesOf(model));
  const graph = buildGraph(model, saved.data.inputShape);
  const plan = planRun(configOf(saved, model, 1));
  const summary = {
    path,
    data: saved.data,
    run: saved.run,
    counters: saved.counters,
    norms: normsOf(model),
    layers: layerRows(graph),
    stepsPerEpoch: plan.stepsPerEpoch,
    memoryBytes: plan.layout.sizeBytes,
    weightsHash: hashWeights(saved.tensors),
  };
  if (flags.isSet('json')) console.log(JSON.stringify({ event: 'inspected', ...summary }));
  else show(saved, plan, summary);
  return 0;
}

function show(
  saved: Checkpoint,
  plan: RunPlan,
  summary: {
    readonly norms: readonly string[];
    readonly layers: readonly LayerRow[];
    readonly weightsHash: string;
  },
): void {
  const { run, data, counters } = saved;
  const epochs = (counters.step / plan.stepsPerEpoch).toFixed(2);
  printTable(summary.layers.map((row) => ({ ...row, parameters: `${row.parameters}` })));
  const total = summary.layers.reduce((sum, row) => sum + row.parameters, 0);
  const batch = `${run.globalBatch} over ${run.replicas} replicas`;
  printTable(
    [
      ['parameters', `${total}`],
      ['norm', summary.norms.join(', ') || 'none'],
      ['data', `${data.name} ${showShape(data.inputShape)}, ${data.countTrain} samples`],
      ['done', `${counters.step} steps, ${epochs} of ${counters.epochs} epochs`],
      ['global batch', batch],
      ['optimizer', JSON.stringify(run.optimizer)],
      ['schedule', JSON.stringify(run.schedule)],
      ['seed, mode', `${run.seed}, ${run.mode}`],
      ['weights', paint('green', summary.weightsHash)],
    ].map(([setting, value]) => ({ setting: setting!, value: value! })),
  );
  console.log(`Memory of a run on 1 worker: ${showBytes(plan.layout.sizeBytes)}; largest regions:`);
  printTable(
    plan.layout.largest(REGIONS_SHOWN).map(({ name, type, shape, sizeBytes, writer }) => ({
      region: name,
      shape: `${type} ${showShape(shape)}`,
      size: showBytes(sizeBytes),
      writer,
    })),
  );
}

function layerRows(graph: Graph): readonly LayerRow[] {
  return graph.operations.flatMap((operation) => {
    if (operation.op !== 'layer') return [];
    const { kind, spec, input, output, path } = operation;
    const declared = kind.parameters(spec, graph.shapes[input]!);
    const parameters = declared.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    return [{ layer: path, output: showShape(graph.shapes[output]!), parameters }];
  });
}
