// `npm run bench -- predict`: how long outputs take, alternately from a trainer with one worker, a
// loaded model on the calling thread, the same model folded, and onnxruntime-node on one thread.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CAC } from 'cac';
import { UsageError } from '../src/base/errors.ts';
import { sizeOf } from '../src/base/shape.ts';
import { loadModel, nn, optim, synthetic, Trainer } from '../src/index.ts';
import { describeMachine } from './machine.ts';
import { CLASSES, INPUT_SHAPES, NETS, type UsualNetName } from './nets.ts';
import { count, countList, wordList } from './options.ts';
import { finish, type OutputFlags } from './output.ts';
import { summarize } from './stats.ts';

const DEFAULT_ROUNDS = 20;
const DEFAULT_BATCHES = '1,8,64';
const TURN_MS = 50;
const SMOKE_MS = 1;
const TRAINED_BATCH = 64;
const PEER = 'onnxruntime-node';

interface PredictFlags extends OutputFlags {
  readonly net?: unknown;
  readonly batches?: unknown;
  readonly rounds?: unknown;
  readonly onnx?: unknown;
}

/** Something that computes outputs for a batch. */
interface Side {
  readonly name: string;
  run(inputs: Float32Array, batch: number): Promise<unknown>;
  close(): Promise<void>;
}

interface PredictResult {
  readonly bench: 'predict';
  readonly net: UsualNetName;
  readonly batch: number;
  readonly side: string;
  /** Per call: the minimum of all, and the median of the rounds' medians. */
  readonly msMin: number;
  readonly msP50: number;
  /** Minimum time divided by the peer's; absent without a peer. */
  readonly toPeer?: number;
}

/** The part of onnxruntime-node that is used. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(
      path: string,
      options: object,
    ): Promise<{ run(feeds: object): Promise<unknown>; release(): Promise<void> }>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => object;
}

/** All sides for a net. */
async function sidesOf(net: UsualNetName, peers: string | undefined): Promise<readonly Side[]> {
  const inputShape = INPUT_SHAPES[net];
  const data = synthetic({ train: TRAINED_BATCH, shape: inputShape, classes: CLASSES });
  const model = nn.namedModel(net, { inputShape, classes: CLASSES });
  const size = { replicas: 1, globalBatch: TRAINED_BATCH, workers: 1 };
  const trainer = await Trainer.start({ model, data, optimizer: optim.sgd({ lr: 0.1 }), ...size });
  for await (const _ of trainer.fit({ epochs: 1 }));
  const folder = mkdtempSync(join(tmpdir(), 'syncbn-bench-'));
  const path = join(folder, 'run.ckpt');
  await trainer.save(path);
  const loaded = await loadModel(path);
  const folded = await loadModel(path, { fold: true });
  rmSync(folder, { recursive: true });
  const own = Object.entries({ trainer, loaded, folded }).map(([name, side]) => ({
    name,
    run: (inputs: Float32Array) => side.predict(inputs),
    close: () => side.close(),
  }));
  return peers === undefined ? own : [...own, await peerOf(net, peers)];
}

/** onnxruntime-node on one thread, with all its optimizations. */
async function peerOf(net: UsualNetName, folder: string): Promise<Side> {
  const file = join(folder, `${net}.onnx`);
  if (!existsSync(file) || !existsSync(join(folder, 'node_modules', PEER))) {
    throw new UsageError({
      what: `--onnx ${folder}`,
      problem: `has no ${net}.onnx and node_modules/${PEER}`,
      hint: 'the setup in bench/NOTES.md, under predictions',
    });
  }
  const require = createRequire(pathToFileURL(`${resolve(folder)}/`));
  const { InferenceSession, Tensor }: OnnxRuntime = require(PEER);
  const threads = { intraOpNumThreads: 1, interOpNumThreads: 1 };
  const session = await InferenceSession.create(file, {
    ...threads,
    graphOptimizationLevel: 'all',
  });
  const [height, width, channels] = INPUT_SHAPES[net] as readonly [number, number, number];
  return {
    name: PEER,
    run: (inputs, batch) =>
      session.run({ x: new Tensor('float32', inputs, [batch, channels, height, width]) }),
    close: () => session.release(),
  };
}

/** Times of calls, in milliseconds, for at least this long. */
async function takeTurn(run: () => Promise<unknown>, turnMs: number): Promise<number[]> {
  const times: number[] = [];
  const endMs = performance.now() + turnMs;
  do {
    const startMs = performance.now();
    await run();
    times.push(performance.now() - startMs);
  } while (performance.now() < endMs);
  return times;
}

async function measure(
  net: UsualNetName,
  batch: number,
  sides: readonly Side[],
  { rounds, turnMs }: { readonly rounds: number; readonly turnMs: number },
): Promise<readonly PredictResult[]> {
  const length = batch * sizeOf(INPUT_SHAPES[net]);
  const inputs = Float32Array.from({ length }, (_, i) => (i % 17) / 17);
  const measured = sides.map(() => ({ mins: [] as number[], medians: [] as number[] }));
  for (let round = 0; round <= rounds; round++) {
    for (const [i, side] of sides.entries()) {
      const { min, p50 } = summarize(await takeTurn(() => side.run(inputs, batch), turnMs));
      // The first round warms up.
      if (round === 0) continue;
      measured[i]!.mins.push(min);
      measured[i]!.medians.push(p50);
    }
  }
  const least = measured.map(({ mins }) => Math.min(...mins));
  const peer = sides.findIndex(({ name }) => name === PEER);
  return sides.map(({ name }, i) => ({
    bench: 'predict',
    ...{ net, batch, side: name },
    msMin: least[i]!,
    msP50: summarize(measured[i]!.medians).p50,
    ...(peer >= 0 && { toPeer: least[i]! / least[peer]! }),
  }));
}

async function predict(flags: PredictFlags): Promise<void> {
  const isSmoke = flags.smoke === true;
  const nets = wordList('--net', flags.net ?? (isSmoke ? 'refnet' : NETS), NETS);
  const batches = countList('--batches', flags.batches ?? (isSmoke ? 1 : DEFAULT_BATCHES));
  const rounds = isSmoke ? 1 : count('--rounds', flags.rounds ?? DEFAULT_ROUNDS);
  const peers = flags.onnx === undefined ? undefined : String(flags.onnx);
  const results: PredictResult[] = [];
  for (const net of nets) {
    const sides = await sidesOf(net, peers);
    for (const batch of batches) {
      console.error(`${net}, ${batch} samples`);
      const turnMs = isSmoke ? SMOKE_MS : TURN_MS;
      results.push(...(await measure(net, batch, sides, { rounds, turnMs })));
    }
    for (const side of sides) await side.close();
  }
  if (flags.json) for (const result of results) console.log(JSON.stringify(result));
  const rows = results.map(({ net, batch, side, msMin, msP50, toPeer }) => ({
    ...{ net, batch, side },
    'ms min': msMin.toPrecision(3),
    p50: msP50.toPrecision(3),
    [`of ${PEER}`]: toPeer === undefined ? '' : toPeer.toFixed(2),
  }));
  finish({ name: 'predict', flags, machine: describeMachine({ torch: null }), rows, results });
}

/** Adds the benchmark to the command. */
export function addPredict(cli: CAC): void {
  cli
    .command('predict', 'Outputs on one thread: of a trainer, a loaded model, and other runtimes')
    .option('--net <names>', `Default ${NETS.join(',')}`)
    .option('--batches <list>', `Samples per call; default ${DEFAULT_BATCHES}`)
    .option('--rounds <n>', `Turns of each side; default ${DEFAULT_ROUNDS}`)
    .option(
      '--onnx <folder>',
      'Also onnxruntime-node, installed there beside refnet.onnx and so on',
    )
    .option('--json', 'One JSON object per line instead of a table')
    .option('--save', 'Append to bench/results/predict.jsonl')
    .option('--smoke', 'As short as it can be, for tests')
    .action(predict);
}
