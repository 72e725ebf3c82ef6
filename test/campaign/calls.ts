// calls: random sequences of API calls, compared with a small model of what is allowed. Allowed
// calls succeed, other calls throw a UsageError and change nothing, and the run ends with the bits
// of a run without the extra calls.

import { join } from 'node:path';
import {
  type Dataset,
  nn,
  optim,
  RunError,
  synthetic,
  Trainer,
  type TrainerOptions,
  UsageError,
} from '../../src/index.ts';
import { type Campaign, fail, within } from './campaign.ts';
import type { Dice } from './dice.ts';

const EPOCHS = 4;
const CALL_TIMEOUT_MS = 30_000;

/** What happened to the weights so far, for the undisturbed run: only computing statistics changes
 * anything besides training. */
type Past = readonly { readonly step: number; readonly batches: number }[];

/** The run as it should be. */
interface Expected {
  trainer: Trainer;
  step: number;
  past: Past;
  saved: { readonly step: number; readonly past: Past; readonly hash: string } | undefined;
  /** Answers at this step, which must not change until the next one. */
  known: Map<string, string>;
}

interface Play {
  readonly dice: Dice;
  readonly data: Dataset;
  readonly path: string;
  readonly total: number;
  readonly now: Expected;
  readonly history: string[];
}

type Call = (play: Play) => Promise<void>;

export const calls: Campaign = {
  name: 'calls',
  counts: 'sequences',
  promise: 'Calls in any order succeed, or are refused and change nothing.',
  caseTimeoutMs: 120_000,
  async open({ folder }) {
    let made = 0;
    return {
      async run(dice, index) {
        const options = randomOptions(dice);
        const trainer = await Trainer.start({ ...options, workers: dice.between(1, 3) });
        const now: Expected = { trainer, step: 0, past: [], saved: undefined, known: new Map() };
        const total = EPOCHS * trainer.stepsPerEpoch;
        const path = join(folder, `${index}.ckpt`);
        const play: Play = { dice, data: options.data, path, total, now, history: [] };
        try {
          for (let n = dice.between(6, 16); n > 0; n--) {
            await within(CALL_TIMEOUT_MS, dice.pick(CALLS)(play), play.history.at(-1));
            made++;
          }
          play.history.push('fit to the end');
          for await (const _ of now.trainer.fit({ epochs: EPOCHS }));
          const found = now.trainer.weightsHash();
          const expected = await undisturbed(options, now.past, total);
          if (found !== expected) fail('other bits than undisturbed', { found, expected });
          await afterClose(play);
        } catch (error) {
          const { data: _data, ...rest } = options;
          const text = error instanceof Error ? error.stack : String(error);
          fail(`${text}`, { history: play.history, options: rest });
        } finally {
          await now.trainer.close();
        }
        return 1;
      },
      facts: () => ({ calls: made }),
    };
  },
};

function randomOptions(dice: Dice): TrainerOptions {
  const data = synthetic({
    ...{ train: dice.between(40, 90), test: dice.between(1, 20) },
    ...{ shape: [4, 4, 2], classes: 3, seed: 1 },
  });
  const model = nn.sequential([
    nn.conv2d(2, 4, { kernel: 3, padding: 1 }),
    nn.batchNorm(4, { sync: 'all' }),
    nn.relu(),
    nn.flatten(),
    nn.dropout(0.2),
    nn.linear(64, 3),
  ]);
  return {
    ...{ model, data, replicas: dice.between(3, 6), globalBatch: dice.between(8, 20), seed: 3 },
    optimizer: dice.pick([optim.adam(), optim.sgd({ lr: 0.05, momentum: 0.9 })]),
    schedule: dice.pick([
      optim.schedules.constant(),
      optim.schedules.cosine(),
      optim.schedules.step({ stepSize: 3 }),
    ]),
    onNotice: () => {},
  };
}

/** The hash of a run with only the calls that change its weights. */
async function undisturbed(options: TrainerOptions, past: Past, total: number): Promise<string> {
  const trainer = await Trainer.start({ ...options, workers: 1 });
  try {
    for (const { step, batches } of past) {
      if (step > trainer.step) {
        for await (const _ of trainer.fit({ epochs: EPOCHS, maxSteps: step }));
      }
      await trainer.preciseBatchNorm({ batches });
    }
    if (trainer.step < total) for await (const _ of trainer.fit({ epochs: EPOCHS }));
    return trainer.weightsHash();
  } finally {
    await trainer.close();
  }
}

function moved(now: Expected): void {
  now.step = now.trainer.step;
  now.known.clear();
}

/** An answer is the same as long as the step is. */
function checkKnown({ known }: Expected, question: string, answer: string): void {
  const before = known.get(question);
  if (before !== undefined && before !== answer)
    fail(`${question} has changed`, { before, answer });
  known.set(question, answer);
}

async function checkRefused(what: string, play: Play, call: () => unknown): Promise<void> {
  const { now, history } = play;
  history.push(`wrong: ${what}`);
  const { step } = now.trainer;
  try {
    await call();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    if (now.trainer.step !== step) fail('a refused call changed the step', { what });
    return;
  }
  fail('a wrong call was not refused', { what });
}

const fitSome: Call = async ({ dice, now, total, history }) => {
  if (now.step >= total) return;
  const to = dice.between(now.step + 1, total);
  history.push(`fit to ${to} of ${total}`);
  for await (const _ of now.trainer.fit({ epochs: EPOCHS, maxSteps: to }));
  if (now.trainer.step !== to) fail('another step than asked for', { to, step: now.trainer.step });
  moved(now);
};

const fitAndLeave: Call = async ({ dice, now, total, history }) => {
  if (now.step >= total) return;
  const isStopped = dice.chance(0.5);
  history.push(isStopped ? 'fit and stop' : 'fit and leave');
  for await (const _ of now.trainer.fit({ epochs: EPOCHS, progressEveryMs: 1 })) {
    if (!isStopped) break;
    now.trainer.stop();
  }
  moved(now);
};

const callWithinFit: Call = async ({ now, total, history, data }) => {
  if (now.step >= total) return;
  history.push('evaluate, predict and save within fit');
  for await (const _ of now.trainer.fit({ epochs: EPOCHS, progressEveryMs: 1 })) {
    for (const call of [
      () => now.trainer.evaluate(),
      () => now.trainer.predict(data.test.inputs),
    ]) {
      try {
        await call();
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
      }
    }
    break;
  }
  moved(now);
};

const evaluate: Call = async ({ dice, now, history }) => {
  const split = dice.pick(['test', 'train'] as const);
  history.push(`evaluate ${split}`);
  const { loss, accuracy } = await now.trainer.evaluate(split);
  checkKnown(now, `evaluate ${split}`, `${loss} ${accuracy}`);
};

const predict: Call = async ({ dice, now, data, history }) => {
  const atOnce = dice.between(1, 4);
  history.push(`predict ${atOnce} at once`);
  const { inputs } = data.test;
  const answers = await Promise.all(
    Array.from({ length: atOnce }, () => now.trainer.predict(inputs)),
  );
  for (const answer of answers)
    checkKnown(now, 'predict', Buffer.from(answer.buffer).toString('hex'));
};

const look: Call = async ({ now, history }) => {
  history.push('weights');
  checkKnown(now, 'hash', now.trainer.weightsHash());
  const { step } = now.trainer;
  if (step !== now.step) fail('the step has changed', { step, expected: now.step });
  if (now.trainer.weights().size === 0) fail('no weights', {});
};

const save: Call = async ({ now, path, history }) => {
  history.push(`save at ${now.step}`);
  await now.trainer.save(path);
  const { step, past } = now;
  now.saved = { step, past, hash: now.trainer.weightsHash() };
};

const resume: Call = async ({ dice, now, data, path, history }) => {
  if (now.saved === undefined) return;
  const workers = dice.between(1, 3);
  history.push(`resume at ${now.saved.step} on ${workers} workers`);
  await now.trainer.close();
  now.trainer = await Trainer.resume(path, { data, workers, onNotice: () => {} });
  const { step, past, hash } = now.saved;
  if (now.trainer.step !== step) fail('resumed at another step', { step: now.trainer.step });
  if (now.trainer.weightsHash() !== hash) fail('resumed with other weights', {});
  now.past = past;
  moved(now);
};

const precise: Call = async ({ dice, now, history }) => {
  const batches = dice.between(1, 5);
  history.push(`preciseBatchNorm over ${batches}`);
  await now.trainer.preciseBatchNorm({ batches });
  now.past = [...now.past, { step: now.step, batches }];
  now.known.clear();
};

const exportModel: Call = async ({ now, history }) => {
  history.push('exportInference');
  await now.trainer.exportInference();
};

/** Calls that a type checker would reject. */
const wrong: Call = async (play) => {
  const { trainer } = play.now;
  const loose = trainer as unknown as Record<string, (...given: unknown[]) => unknown>;
  const fit = async (options: unknown): Promise<void> => {
    for await (const _ of loose.fit!(options) as AsyncIterable<unknown>);
  };
  const choices: [string, () => unknown][] = [
    ["evaluate('valid')", () => loose.evaluate!('valid')],
    ['fit()', () => fit(undefined)],
    ['fit({ epochs: 1.5 })', () => fit({ epochs: 1.5 })],
    ['fit({ epochs: 0 })', () => fit({ epochs: 0 })],
    ['fit with maxSteps NaN', () => fit({ epochs: EPOCHS, maxSteps: Number.NaN })],
    ['fit with a key that is none', () => fit({ epochs: EPOCHS, maxStep: 3 })],
    ['predict of half a sample', () => loose.predict!(new Float32Array(7))],
    ['predict of a list', () => loose.predict!([1, 2])],
    ['preciseBatchNorm over 0', () => loose.preciseBatchNorm!({ batches: 0 })],
    ['preciseBatchNorm()', () => loose.preciseBatchNorm!()],
    ['save(5)', () => loose.save!(5)],
    ['save where there is no folder', () => loose.save!(join(play.path, 'no', 'x.ckpt'))],
  ];
  const [what, call] = play.dice.pick(choices);
  await checkRefused(what, play, call);
};

/** A closed trainer refuses, and may be closed again. */
async function afterClose({ now, history, data }: Play): Promise<void> {
  history.push('close, and calls after it');
  await now.trainer.close();
  await now.trainer.close();
  const closed: readonly (() => Promise<unknown>)[] = [
    () => now.trainer.evaluate(),
    () => now.trainer.predict(data.test.inputs),
  ];
  for (const call of closed) {
    const error = await within(CALL_TIMEOUT_MS, call()).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof UsageError || error instanceof RunError)) {
      fail('a call after close was not refused', { error: String(error) });
    }
  }
}

const CALLS: readonly Call[] = [
  ...[fitSome, fitSome, fitAndLeave, callWithinFit, evaluate, predict, look],
  ...[save, save, resume, precise, exportModel, wrong, wrong, wrong],
];
