// `syncbn eval`: loss and accuracy of a checkpoint on the test samples of its data, or of other
// data with the same shapes; or of a net in an ONNX file on any data.

import { cleaningUp } from '../../base/cleanup.ts';
import { UsageError } from '../../base/errors.ts';
import { openCheckpoint } from '../../checkpoint/checkpointFile.ts';
import { hashWeights, type StateTensor, weightName } from '../../checkpoint/state.ts';
import { isChunked, type TrainingData } from '../../data/chunked/chunkedDataset.ts';
import type { Dataset } from '../../data/dataset.ts';
import { dataDifference, describeDataset } from '../../data/identity.ts';
import type { MetricName } from '../../observe/metric.ts';
import { checkMetrics } from '../../observe/metrics.ts';
import { sgd } from '../../optim/optimizer.ts';
import type { EvalCorrection } from '../../plan/evalCorrection.ts';
import { evaluateSamples } from '../../runtime/evaluateSamples.ts';
import type { Evaluation } from '../../runtime/evaluation.ts';
import { inferenceConfig, threadsFor } from '../../runtime/inferenceTeam.ts';
import { type ModelWeights, readModel } from '../../runtime/readModel.ts';
import { Trainer } from '../../runtime/trainer.ts';
import { resolveOptions } from '../../runtime/trainerOptions.ts';
import { headsAs, known, meanIouAs } from '../output/events.ts';
import { metricRows, metricTables, showPercent } from '../output/metricTables.ts';
import { screen, warn } from '../output/screen.ts';
import { printRows, printTable } from '../output/tables.ts';
import { paint } from '../output/text.ts';
import { joinPeers } from '../process/peers.ts';
import type { Flags } from '../settings/flags.ts';
import { onnxNet } from '../settings/onnxModel.ts';
import { dataFrom, placeFrom } from '../settings/settings.ts';
import { trainingDataFrom } from '../settings/streamFlags.ts';

/** Flags that need a run. */
const OF_RUNS = ['checkpoint', 'average', 'precise-norm', 'eval-correction'] as const;

export async function runEval(flags: Flags): Promise<number> {
  const metrics = (flags.text('metrics')?.split(',') ?? []) as MetricName[];
  if (flags.has('model')) {
    show(flags, metrics, await evaluateFile(flags, metrics));
    return 0;
  }
  const path = flags.text('checkpoint');
  if (path === undefined) {
    throw new UsageError({
      what: 'syncbn eval',
      problem: 'requires a checkpoint to evaluate, or an ONNX file (--model)',
      hint: 'syncbn eval --checkpoint run.ckpt',
    });
  }
  const evalCorrection = correctionFrom(flags);
  const network = await joinPeers(flags.integer('timeout-ms', 1));
  const { head } = await openCheckpoint(path);
  checkMetrics('--metrics', metrics, head.data.task);
  const data = await trainingDataFrom(flags, head);
  const isOther = dataDifference(describeDataset(data), head.data) !== undefined;
  const isOfRun =
    isChunked(data) ||
    network !== undefined ||
    evalCorrection !== undefined ||
    ['average', 'precise-norm'].some((flag) => flags.has(flag)) ||
    // Only explicitly named data can replace the run's own.
    (isOther && !flags.has('data'));
  if (isOther && !isOfRun) {
    warn(`syncbn: ${data.name} is not the data of the checkpoint (${head.data.name}).`);
  }
  const asked = { path, metrics, evalCorrection };
  const evaluated = isChunked(data)
    ? evaluateRun(flags, { ...asked, data })
    : (isOfRun ? evaluateRun : evaluateModel)(flags, { ...asked, data });
  show(flags, metrics, await evaluated);
  return 0;
}

interface Asked<Data extends TrainingData = Dataset> {
  readonly path: string;
  readonly data: Data;
  readonly metrics: readonly MetricName[];
  readonly evalCorrection: EvalCorrection | undefined;
}

interface Evaluated {
  readonly evaluation: Evaluation<MetricName>;
  readonly hash: string;
}

/** Evaluates a checkpoint's run on its data. */
async function evaluateRun(flags: Flags, asked: Asked<TrainingData>): Promise<Evaluated> {
  const { path, data, metrics, evalCorrection } = asked;
  const batches = flags.integer('precise-norm', 1);
  const trainer = await Trainer.resume(path, {
    data,
    onNotice: (notice) => warn(`syncbn: ${notice}`),
    ...placeFrom(flags),
    ...(evalCorrection !== undefined && { evalCorrection }),
  });
  const run = async (): Promise<Evaluated> => {
    const measured = batches === undefined ? {} : { batches };
    if (flags.isSet('average')) await trainer.useAverage(measured);
    else if (batches !== undefined) await trainer.preciseBatchNorm({ batches });
    const evaluation = await trainer.evaluate('test', { metrics });
    return { evaluation, hash: trainer.weightsHash() };
  };
  return cleaningUp(run, () => trainer.close());
}

/** Evaluates only the model of the checkpoint. */
async function evaluateModel(flags: Flags, { path, data, metrics }: Asked): Promise<Evaluated> {
  const { allowModules, ...place } = placeFrom(flags);
  const model = await readModel(path, { allowModules });
  return evaluateAlone(model, place, { data, metrics });
}

async function evaluateAlone(
  model: ModelWeights,
  place: Parameters<typeof threadsFor>[1],
  { data, metrics }: Pick<Asked, 'data' | 'metrics'>,
): Promise<Evaluated> {
  const config = inferenceConfig(model.config, threadsFor(model.config, place));
  let hash = '';
  const fill = (tensors: readonly StateTensor[]): void => {
    model.fill(tensors);
    hash = hashWeights(tensors);
  };
  const evaluation = await evaluateSamples({ config, fill, isOwnThread: false }, data, { metrics });
  return { evaluation, hash };
}

/** Evaluates the net in an ONNX file. Such files do not say how inputs are standardized, so they
 * are standardized as in training. */
async function evaluateFile(flags: Flags, metrics: readonly MetricName[]): Promise<Evaluated> {
  for (const flag of OF_RUNS) {
    if (!flags.has(flag)) continue;
    const problem = `cannot be combined with --${flag}: eval takes an ONNX file or a checkpoint`;
    throw new UsageError({ what: '--model', problem });
  }
  const data = await dataFrom(flags);
  checkMetrics('--metrics', metrics, data.task);
  const net = await onnxNet(flags, data);
  if (net === undefined) {
    const given = flags.text('model');
    const hint = 'syncbn train for models by name and .json models, which have no weights';
    throw new UsageError({ what: '--model of syncbn eval', given, allowed: 'an .onnx file', hint });
  }
  const { model, weights } = net;
  const config = resolveOptions({ model, data, optimizer: sgd({ lr: 1 }), replicas: 1 });
  const fill = (tensors: readonly StateTensor[]): void => {
    for (const tensor of tensors) tensor.values.set(weights.get(weightName(tensor))!.values);
  };
  const { allowModules: _modules, ...place } = placeFrom(flags);
  return evaluateAlone({ config, fill }, place, { data, metrics });
}

function show(flags: Flags, metrics: readonly MetricName[], { evaluation, hash }: Evaluated): void {
  const { loss, accuracy, meanIou, count, seconds } = evaluation;
  if (flags.isSet('json')) {
    const iou = meanIouAs('testMeanIou', evaluation);
    const result = {
      testAccuracy: known(accuracy),
      testLoss: known(loss),
      ...headsAs(evaluation),
      ...iou,
      count,
      seconds,
    };
    const more = metrics.length === 0 ? {} : { metrics: evaluation.metrics };
    screen.sayJson({ event: 'evaluated', ...result, ...more, weightsHash: hash });
    return;
  }
  printTable([
    { result: 'test accuracy', value: paint('green', showPercent(accuracy)) },
    ...(Number.isNaN(meanIou) ? [] : [{ result: 'test mIoU', value: showPercent(meanIou) }]),
    { result: 'test loss', value: loss.toFixed(4) },
    ...Object.entries(evaluation.headLosses).map(([name, value]) => ({
      result: `test loss of ${name}`,
      value: value.toFixed(4),
    })),
    { result: 'samples', value: `${count}` },
    ...metricRows(evaluation.metrics),
    { result: 'weights', value: hash.slice(0, 16) },
  ]);
  for (const { title, head, rows } of metricTables(evaluation.metrics)) {
    screen.say(title);
    printRows(head, rows);
  }
}

function correctionFrom(flags: Flags): EvalCorrection | undefined {
  return flags.text('eval-correction') === 'auto' ? 'auto' : flags.number('eval-correction', 0);
}
