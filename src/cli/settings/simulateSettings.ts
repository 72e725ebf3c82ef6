// From the flags of `syncbn simulate` to a simulation: network, device, cluster, and what to
// measure or train for real.

import { checkInteger, UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { sizeOf } from '../../base/shape.ts';
import type { Dataset } from '../../data/dataset.ts';
import { synthetic } from '../../data/named/synthetic.ts';
import { buildGraph } from '../../nn/graph/graph.ts';
import { MODEL_NAMES, type ModelName, modelCard } from '../../nn/models/models.ts';
import { parseModel } from '../../nn/models/parse.ts';
import { loadModules } from '../../nn/specs/modules.ts';
import { customModulesOf, type LayerSpec } from '../../nn/specs/spec.ts';
import { sgd } from '../../optim/optimizer.ts';
import type { OptimizerSpec } from '../../optim/optimizers.ts';
import { scaleToStep } from '../../simulate/calibrate.ts';
import { ALGORITHMS } from '../../simulate/collectives.ts';
import { DEVICE_NAMES, type DeviceName } from '../../simulate/devices.ts';
import { LINK_NAMES, LINKS } from '../../simulate/links.ts';
import { netModel } from '../../simulate/nets.ts';
import { describeNetwork, type Network } from '../../simulate/network.ts';
import { type Job, predictStep } from '../../simulate/step.ts';
import type { Flags } from './flags.ts';
import { readJson } from './readJson.ts';
import { allowModulesFrom } from './settings.ts';
import { shapeFrom } from './shapeFlag.ts';

/** A network, and the model that it was derived from, for real training. */
export interface SimulatedNet {
  readonly network: Network;
  readonly model: LayerSpec;
}

export const DEFAULT_DEVICE = 'v100';
/** For a break-even: what SyncBN may add to a step. */
const DEFAULT_SHARE_PERCENT = 5;
const DEFAULT_REPLICA_BATCH = 32;
const DEFAULT_DEVICES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] as const;
const DEFAULT_ROUNDS = 20;
const DEFAULT_SEED = 1;
/** The length of a setting's turn in a round: enough steps to make the cost of one fit call
 * small. */
export const TURN_MS = 60;
/** The settings that a measurement of this machine trains with, which all warm up. */
export const MEASURED_SETTINGS = 9;
const MEASURED_SAMPLES = 4096;
const MAX_DEVICES = 65_536;
const MAX_REPLICA_BATCH = 65_536;

/** A choice from a list of names. An unknown name is refused, and the nearest one proposed. */
export function nameFrom<T extends string>(
  flags: Flags,
  flag: string,
  known: readonly T[],
): T | undefined {
  const text = flags.text(flag);
  if (text === undefined) return undefined;
  const found = known.find((name) => name === text);
  if (found !== undefined) return found;
  const nearest = nearestWord(text, known);
  throw new UsageError({
    what: `--${flag}`,
    given: text,
    allowed: known.join(', '),
    ...(nearest !== undefined && { hint: `--${flag} ${nearest}` }),
  });
}

/** The requested device; `measured` is this machine. */
export function deviceFrom(flags: Flags): DeviceName {
  const name = nameFrom(flags, 'device', DEVICE_NAMES);
  return name ?? (flags.isSet('measure') ? 'measured' : DEFAULT_DEVICE);
}

/** The requested network. */
export async function netFrom(flags: Flags, device: DeviceName): Promise<SimulatedNet> {
  const name = flags.text('net') ?? (device === 'measured' ? 'refnet' : 'resnet50');
  const input = shapeFrom(flags, 'input');
  if (!name.endsWith('.json')) {
    const net: ModelName = nameFrom(flags, 'net', MODEL_NAMES) ?? (name as ModelName);
    const model = netModel(net, input);
    return {
      model,
      network: describeNetwork(net, model, input ?? modelCard(net).purpose.inputShape),
    };
  }
  if (input === undefined) {
    throw new UsageError({
      what: `--net ${name}`,
      problem: 'requires --input, the shape of a sample',
      hint: '--input 32x32x3',
    });
  }
  const model = parseModel(readJson('net', name), `the model in ${name}`);
  await loadModules(customModulesOf(model), allowModulesFrom(flags));
  return { model, network: describeNetwork(name, model, input) };
}

/** Samples per device in a step. */
export function replicaBatchFrom(flags: Flags): number {
  return flags.integer('replica-batch', 1, MAX_REPLICA_BATCH) ?? DEFAULT_REPLICA_BATCH;
}

/** Numbers of devices, ascending. */
export function devicesFrom(flags: Flags): readonly number[] {
  return countsFrom(flags, 'devices') ?? DEFAULT_DEVICES;
}

/** A list of numbers of devices or hosts, ascending. */
export function countsFrom(flags: Flags, flag: string): readonly number[] | undefined {
  const counts = flags
    .text(flag)
    ?.split(',')
    .map((word) => {
      const value = /^-?\d+$/.test(word.trim()) ? Number(word) : word;
      return checkInteger(`--${flag}`, value, 1, MAX_DEVICES);
    });
  return counts && [...new Set(counts)].sort((a, b) => a - b);
}

/** With --measure: turns of each setting. */
export function roundsFrom(flags: Flags): number {
  return flags.integer('rounds', 1) ?? DEFAULT_ROUNDS;
}

export function seedFrom(flags: Flags): number {
  return flags.integer('seed', 0, Number.MAX_SAFE_INTEGER) ?? DEFAULT_SEED;
}

/** Samples for timed steps of a global batch: enough that the end of an epoch, which sends
 * messages, is rare. */
export function measuredSamples(globalBatch: number): number {
  return Math.max(MEASURED_SAMPLES, globalBatch);
}

/** The fraction that SyncBN may add to a step for a break-even. */
export function shareFrom(flags: Flags): number {
  return (flags.number('share', 0) ?? DEFAULT_SHARE_PERCENT) / 100;
}

/** A job with changes from the flags. */
export function adjustJob(flags: Flags, job: Job): Job {
  const intra = nameFrom(flags, 'intra', LINK_NAMES);
  const inter = nameFrom(flags, 'inter', LINK_NAMES);
  const devicesPerNode = flags.integer('per-node', 1, MAX_DEVICES);
  const cards = flags.integer('cards', 1, MAX_DEVICES);
  const callUs = flags.number('call-us', 0);
  const bucketMib = flags.number('bucket-mib', 0);
  const groupSize = flags.integer('group-size', 1, MAX_DEVICES);
  const adjusted: Job = {
    ...job,
    device: { ...job.device, ...(callUs !== undefined && { callUs }) },
    cluster: {
      ...job.cluster,
      ...(intra !== undefined && { intra: LINKS[intra] }),
      ...(inter !== undefined && { inter: LINKS[inter] }),
      ...(devicesPerNode !== undefined && { devicesPerNode }),
      ...(cards !== undefined && { cards }),
    },
    algorithm: nameFrom(flags, 'collective', ALGORITHMS) ?? job.algorithm,
    statistics: nameFrom(flags, 'statistics', ['all-gather', 'all-reduce']) ?? job.statistics,
    groupSize: groupSize ?? job.groupSize,
    bucketBytes: bucketMib === undefined ? job.bucketBytes : bucketMib * 2 ** 20,
  };
  return withStepTime(flags, adjusted);
}

/** A device as fast as the caller measured: `--step-ms`, one device with local norms. */
function withStepTime(flags: Flags, job: Job): Job {
  const ms = flags.number('step-ms', Number.MIN_VALUE);
  if (ms === undefined) return job;
  const stepMs = (device: Job['device']): number => predictStep({ ...job, device }, 'BN', 1).ms;
  const device = scaleToStep(job.device, ms, stepMs);
  if (device !== undefined) return { ...job, device };
  const least = stepMs({ ...job.device, teraflops: Infinity, gigabytesPerSecond: Infinity });
  throw new UsageError({
    what: '--step-ms',
    given: ms,
    allowed: `more than the ${least.toPrecision(3)} ms that its calls take`,
    hint: '--call-us for a faster host',
  });
}

/** Data and optimizer for real training of a network. The data is synthetic, since only its shape
 * matters. */
export function trainingOf(
  { model, network }: SimulatedNet,
  samples: number,
  seed: number,
): { readonly model: LayerSpec; readonly data: Dataset; readonly optimizer: OptimizerSpec } {
  const { inputShape } = network;
  const graph = buildGraph(model, inputShape);
  const classes = sizeOf(graph.shapes[graph.output]!);
  const data = synthetic({ train: samples, test: 0, shape: inputShape, classes, seed });
  return { model, data, optimizer: sgd({ lr: LEARNING_RATE, momentum: MOMENTUM }) };
}

const LEARNING_RATE = 0.05;
const MOMENTUM = 0.9;
