// `npm run bench -- stream`: training on a packed set that is read in chunks. A set of random
// images is made from a seed, unless it exists. Measures the time to a process's first step, the
// memory of a whole epoch, including the arena, and the speed of steps, alternating with data in
// memory.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { CAC } from 'cac';
import { UsageError } from '../src/base/errors.ts';
import { chunkSamplesFor, writePackedSet } from '../src/data/images/writeSet.ts';
import {
  type ChunkedDataset,
  nn,
  openChunked,
  optim,
  synthetic,
  Trainer,
  type TrainingData,
} from '../src/index.ts';
import { describeMachine } from './machine.ts';
import { count, seconds } from './options.ts';
import { finish, type OutputFlags } from './output.ts';
import { type Summary, summarize } from './stats.ts';

interface StreamFlags extends OutputFlags {
  readonly dir?: unknown;
  readonly gigabytes?: unknown;
  readonly rounds?: unknown;
  readonly seconds?: unknown;
}

interface StreamResult {
  readonly bench: 'stream';
  readonly gigabytes: number;
  readonly window: number;
  readonly firstStepMs: number;
  /** Time of a whole epoch of a small net. */
  readonly epochSeconds: number;
  readonly megabytesStart: number;
  readonly megabytesPeak: number;
  /** Minimum for refnet, alternating with data in memory. */
  readonly msPerStep: number;
  readonly msPerStepInMemory: number;
  /** Ratio of the medians; above 1 if chunked data is slower. */
  readonly ratioP50: number;
  /** Ratio of the minima. */
  readonly ratio: number;
}

const SHAPE = [32, 32, 3];
const CLASSES = 10;
const GLOBAL_BATCH = 128;
const SAMPLE_MS = 200;
const SEED = 1;

/** Bytes from a seed: xorshift32, George Marsaglia 2003. */
function randomBytes(into: Uint8Array<ArrayBuffer>, seed: number): number {
  const words = new Uint32Array(into.buffer, 0, into.length / 4);
  let x = seed;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return x;
}

async function makeSet(dir: string, samples: number): Promise<void> {
  const size = SHAPE.reduce((a, b) => a * b);
  const chunkSamples = chunkSamplesFor(SHAPE);
  function* images(total: number) {
    let state = SEED;
    for (let from = 0; from < total; from += chunkSamples) {
      const part = new Uint8Array(Math.min(chunkSamples, total - from) * size);
      state = randomBytes(part, state);
      yield part;
    }
  }
  function* labels(total: number) {
    for (let from = 0; from < total; from += chunkSamples) {
      const length = Math.min(chunkSamples, total - from);
      yield Int32Array.from({ length }, (_, i) => (from + i) % CLASSES);
    }
  }
  const split = (total: number) => ({
    count: total,
    inputs: images(total),
    targets: labels(total),
  });
  await writePackedSet(dir, {
    ...{ name: 'random', inputShape: SHAPE, targetShape: [], classNames: [], made: {} },
    ...{ countClasses: () => CLASSES, chunkSamples },
    ...{ train: split(samples), test: split(GLOBAL_BATCH) },
  });
}

function firstStepMs(dir: string): number {
  const train = ['train', '--data', dir, '--stream', '--model', 'refnet', '--norm', 'sync'];
  const args = ['dist/cli.js', ...train, '--max-steps', '1', '--profile', '--json'];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new UsageError({ what: 'syncbn train', problem: stderr.trim() });
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return events.find(({ event }) => event === 'profile').firstStepMs;
}

const started = (data: TrainingData, name: 'refnet' | 'small'): Promise<Trainer> => {
  const model =
    name === 'small'
      ? nn.sequential([
          nn.flatten(),
          nn.linear(
            SHAPE.reduce((a, b) => a * b),
            CLASSES,
          ),
        ])
      : nn.convertNorm(nn.namedModel('refnet', { inputShape: SHAPE, classes: CLASSES }), {
          to: 'sync',
        });
  const optimizer = optim.sgd({ lr: 1e-3 });
  const run = { replicas: 8, globalBatch: GLOBAL_BATCH, diagnosticsEvery: 0 };
  return Trainer.start({ data, model, optimizer, ...run, onNotice: () => {} });
};

async function steps(trainer: Trainer, countSteps: number): Promise<number> {
  const startMs = performance.now();
  for await (const _ of trainer.fit({ epochs: 1000, maxSteps: trainer.step + countSteps })) {
    // Trains.
  }
  return (performance.now() - startMs) / countSteps;
}

/** The memory of the process, including its small arena, initially and at most, over an epoch or
 * less. */
async function memoryOf(data: ChunkedDataset, mostSeconds: number) {
  const trainer = await started(data, 'small');
  const resident = (): number => process.memoryUsage().rss / 1e6;
  await steps(trainer, 1);
  const startMs = performance.now();
  const megabytes = [resident()];
  const timer = setInterval(() => {
    megabytes.push(resident());
    if (performance.now() - startMs > mostSeconds * 1000) trainer.stop();
  }, SAMPLE_MS);
  await steps(trainer, trainer.stepsPerEpoch);
  clearInterval(timer);
  const epochSeconds = (performance.now() - startMs) / 1000;
  await trainer.close();
  return { epochSeconds, megabytesStart: megabytes[0]!, megabytesPeak: Math.max(...megabytes) };
}

async function stream(flags: StreamFlags): Promise<void> {
  const isSmoke = flags.smoke === true;
  const gigabytes = flags.gigabytes === undefined ? 20 : seconds('--gigabytes', flags.gigabytes);
  const rounds = isSmoke ? 1 : count('--rounds', flags.rounds ?? 40);
  const each = isSmoke ? 0.01 : seconds('--seconds', flags.seconds ?? 0.5);
  const dir = String(flags.dir ?? `${process.cwd()}/node_modules/.cache/syncbn-bench/random-set`);
  const samples = Math.floor((gigabytes * 1e9) / SHAPE.reduce((a, b) => a * b));
  if (!existsSync(dir)) await makeSet(dir, samples);
  const data = await openChunked(dir);
  const first = firstStepMs(dir);
  const memory = await memoryOf(data, isSmoke ? 1 : 600);
  console.error(JSON.stringify({ first, ...memory }));
  const { mean, std } = data;
  const memorySamples = { train: 20_000, test: 0, shape: SHAPE, classes: CLASSES };
  const inMemory = synthetic(memorySamples);
  const bytes = Uint8Array.from(inMemory.train.inputs, (value) => value & 255);
  const train = { ...inMemory.train, inputs: bytes };
  const test = { ...inMemory.test, inputs: new Uint8Array() };
  const beside = { ...inMemory, inputType: 'u8', mean, std, train, test } as const;
  const trainers = [await started(data, 'refnet'), await started(beside, 'refnet')];
  const times: number[][] = [[], []];
  for (const trainer of trainers) await steps(trainer, 5);
  const countSteps = Math.max(1, Math.round((each * 1000) / (await steps(trainers[1]!, 10))));
  for (let round = 0; round < rounds; round++) {
    for (const [i, trainer] of trainers.entries()) times[i]!.push(await steps(trainer, countSteps));
    console.error(`round ${round + 1} of ${rounds}`);
  }
  const { window } = trainers[0]!.config;
  for (const trainer of trainers) await trainer.close();
  const [own, other] = times.map(summarize) as [Summary, Summary];
  const result: StreamResult = {
    bench: 'stream',
    gigabytes,
    window: window === undefined ? samples : window.chunks * window.chunkSamples,
    firstStepMs: first,
    ...memory,
    msPerStep: own.min,
    msPerStepInMemory: other.min,
    ratio: own.min / other.min,
    ratioP50: own.p50 / other.p50,
  };
  if (flags.json) console.log(JSON.stringify(result));
  const rows = [
    {
      GB: gigabytes,
      window: result.window,
      'first step ms': first.toFixed(0),
      'epoch s': memory.epochSeconds.toFixed(1),
      'MB at first': memory.megabytesStart.toFixed(0),
      peak: memory.megabytesPeak.toFixed(0),
      'ms a step': own.min.toFixed(2),
      'in memory': other.min.toFixed(2),
      ratio: result.ratio.toFixed(3),
      p50: result.ratioP50.toFixed(3),
    },
  ];
  const machine = describeMachine({ torch: null });
  finish({ name: 'stream', flags, machine, rows, results: [result] });
}

/** Adds the benchmark to the command. */
export function addStream(cli: CAC): void {
  cli
    .command('stream', 'Training on a set that is read in chunks, and on data in memory')
    .option(
      '--dir <folder>',
      'The set; made if it does not exist (default: in node_modules/.cache)',
    )
    .option('--gigabytes <n>', 'Size of a new set; default 20')
    .option('--rounds <n>', 'Turns of both; default 40')
    .option('--seconds <n>', 'Of each turn; default 0.5')
    .option('--json', 'One JSON object per line instead of a table')
    .option('--save', 'Append to bench/results/stream.jsonl')
    .option('--smoke', 'As short as it can be, for tests')
    .action(stream);
}
