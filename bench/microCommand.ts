// `npm run bench -- micro`: the time per image in k micro-batches, also with less arena than the
// batch needs, so that the rest is parked, compared with the whole batch at once. One worker on the
// calling thread; all sides alternate step by step. CPU time is compared, since other load on the
// machine affects it less.

import type { CAC } from 'cac';
import { fillArena, hashState, stateTensors } from '../src/checkpoint/state.ts';
import { storeSamples } from '../src/data/stored/storeSamples.ts';
import { synthetic } from '../src/index.ts';
import { compileKernels } from '../src/kernels/load.ts';
import { createArena } from '../src/memory/arena.ts';
import { convertNorm } from '../src/nn/convert/convertNorm.ts';
import { namedModel } from '../src/nn/models/models.ts';
import { sgd } from '../src/optim/optimizer.ts';
import type { RunConfig } from '../src/plan/config.ts';
import { planRun } from '../src/plan/plan.ts';
import { resolveOptions } from '../src/runtime/trainerOptions.ts';
import { bindWorker } from '../src/train/worker.ts';
import { describeMachine } from './machine.ts';
import { CLASSES } from './nets.ts';
import { count, countList } from './options.ts';
import { finish, type OutputFlags } from './output.ts';
import { summarize } from './stats.ts';

interface MicroFlags extends OutputFlags {
  readonly net?: unknown;
  readonly size?: unknown;
  readonly batch?: unknown;
  readonly parts?: unknown;
  readonly parkedParts?: unknown;
  readonly rounds?: unknown;
}

interface MicroResult {
  readonly bench: 'micro';
  readonly side: string;
  readonly arenaBytes: number;
  readonly parkedBytes: number;
  /** CPU time per image, and its ratio to the whole batch's: medians over rounds. */
  readonly cpuMsP50: number;
  readonly toWhole: number;
  readonly hash: string;
}

/** Fraction of the whole batch's arena that parked sides may have. */
const ARENA_SHARE = 1 / 3;

/** A run on the calling thread; each call is one step and returns its CPU time. */
function bindSide(name: string, config: RunConfig, data: ReturnType<typeof synthetic>) {
  const plan = planRun(config);
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  const samples = storeSamples(data, plan.config);
  const worker = bindWorker({
    plan,
    module: compileKernels(config.mode),
    memory,
    samples,
    rank: 0,
  });
  let steps = 0;
  return {
    name,
    plan,
    cpuMs: [] as number[],
    step(): number {
      const before = process.cpuUsage();
      worker.train(steps, steps + 1, 1000);
      steps++;
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    },
    hash: () => hashState(stateTensors(plan, memory)).slice(0, 12),
  };
}

function micro(flags: MicroFlags): void {
  const isSmoke = flags.smoke === true;
  const size = count('--size', flags.size ?? (isSmoke ? 8 : 32));
  const batch = count('--batch', flags.batch ?? (isSmoke ? 8 : 64));
  const rounds = count('--rounds', flags.rounds ?? (isSmoke ? 1 : 7));
  const shape = [size, size, 3];
  const data = synthetic({ train: batch, test: 1, shape, classes: CLASSES });
  const named = namedModel(String(flags.net ?? 'resnet20'), {
    inputShape: shape,
    classes: CLASSES,
  });
  const model = convertNorm(named, { to: 'sync' });
  const optimizer = sgd({ lr: 0.01, momentum: 0.9 });
  const options = { model, data, optimizer, globalBatch: batch, workers: 1, diagnosticsEvery: 0 };
  const whole = resolveOptions(options);
  const arenaBytes = ARENA_SHARE * planRun(whole).layout.sizeBytes;
  const sides = [
    bindSide('whole', whole, data),
    ...countList('--parts', flags.parts ?? '2,4,8').map((microBatches) =>
      bindSide(`${microBatches} parts`, { ...whole, microBatches }, data),
    ),
    ...countList('--parked-parts', flags.parkedParts ?? '8').map((microBatches) =>
      bindSide(`${microBatches} parts, parked`, { ...whole, microBatches, arenaBytes }, data),
    ),
  ];
  for (let round = -1; round < rounds; round++) {
    for (const side of sides) {
      const cpuMs = side.step();
      if (round >= 0) side.cpuMs.push(cpuMs / batch);
    }
  }
  const results = sides.map(({ name, plan, cpuMs, hash }): MicroResult => {
    const ratios = cpuMs.map((ms, round) => ms / sides[0]!.cpuMs[round]!);
    return {
      ...{ bench: 'micro', side: name, hash: hash() },
      arenaBytes: plan.layout.sizeBytes,
      parkedBytes: plan.parkedBytes,
      cpuMsP50: summarize(cpuMs).p50,
      toWhole: summarize(ratios).p50,
    };
  });
  if (flags.json) for (const result of results) console.log(JSON.stringify(result));
  const rows = results.map(({ side, cpuMsP50, toWhole, hash, ...bytes }) => ({
    side,
    'arena MB': (bytes.arenaBytes / 1e6).toFixed(0),
    'parked MB': (bytes.parkedBytes / 1e6).toFixed(0),
    'CPU ms per image': cpuMsP50.toFixed(3),
    'to whole': toWhole.toFixed(3),
    state: hash,
  }));
  finish({ name: 'micro', flags, machine: describeMachine({ torch: null }), rows, results });
}

export function addMicro(cli: CAC): void {
  cli
    .command('micro', 'Batches in micro-batches, compared with whole batches')
    .option('--net <name>', 'Default resnet20')
    .option('--size <pixels>', 'Images per batch; default 32')
    .option('--batch <n>', 'Default 64')
    .option('--parts <list>', 'With the whole arena; default 2,4,8')
    .option('--parked-parts <list>', 'With a third of it; default 8')
    .option('--rounds <n>', 'Steps of each; default 7')
    .option('--json', 'One JSON object per line instead of a table')
    .option('--save', 'Append to bench/results/micro.jsonl')
    .option('--smoke', 'As short as it can be, for tests')
    .action(micro);
}
