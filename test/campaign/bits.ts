// bits: random runs over all kinds of layers end with the same weights on 1, 2, 3 and 5 workers,
// and after a resume in the middle on yet another number.

import { join } from 'node:path';
import { type Dataset, Trainer } from '../../src/index.ts';
import { type Campaign, fail } from './campaign.ts';
import { MOST_WORKERS, randomRun } from './randomRun.ts';

const WORKERS = [1, 2, 3, MOST_WORKERS] as const;

/** What a run ends with. */
interface End {
  readonly weights: string;
  readonly evaluation: string;
}

export const bits: Campaign = {
  name: 'bits',
  counts: 'configurations',
  promise: 'Any number of workers, and a resume in the middle, give the same bits.',
  caseTimeoutMs: 120_000,
  async open({ folder }) {
    let trained = 0;
    let steps = 0;
    const kinds = new Set<string>();
    return {
      async run(dice, index) {
        const { options, epochs, stepsPerEpoch } = randomRun(dice);
        const { data, ...rest } = options;
        const facts = { ...rest, data: shapeOf(data), epochs };
        for (const kind of kindsOf(options.model)) kinds.add(kind);
        const totalSteps = epochs * stepsPerEpoch;
        const checkpoint = join(folder, `${index}.ckpt`);
        const stopAt = dice.below(totalSteps);
        let first: End | undefined;
        for (const workers of WORKERS) {
          const saveAt = workers === 2 ? stopAt : undefined;
          const trainer = await Trainer.start({ ...options, workers });
          let end: End;
          try {
            if (saveAt !== undefined) {
              if (saveAt > 0) await train(trainer, epochs, saveAt);
              await trainer.save(checkpoint);
            }
            await train(trainer, epochs);
            end = await endOf(trainer, data);
          } finally {
            await trainer.close();
          }
          first ??= end;
          if (end.weights !== first.weights || end.evaluation !== first.evaluation) {
            fail(`${workers} workers give other bits than 1`, { ...facts, first, end });
          }
        }
        const workers = dice.pick(WORKERS);
        const trainer = await Trainer.resume(checkpoint, resumeOptions(data, workers));
        try {
          if (trainer.step !== stopAt) fail('resumed at another step', { ...facts, stopAt });
          await train(trainer, epochs);
          const end = await endOf(trainer, data);
          if (end.weights !== first!.weights || end.evaluation !== first!.evaluation) {
            fail(`a resume at step ${stopAt} gives other bits`, { ...facts, first, end });
          }
        } finally {
          await trainer.close();
        }
        trained += WORKERS.length + 1;
        steps += totalSteps;
        return 1;
      },
      facts: () => ({ runs: trained, steps, 'layer kinds': kinds.size }),
    };
  },
};

function resumeOptions(data: Dataset, workers: number) {
  return { data, workers, onNotice: () => {} };
}

async function train(trainer: Trainer, epochs: number, maxSteps?: number): Promise<void> {
  for await (const _ of trainer.fit({ epochs, ...(maxSteps !== undefined && { maxSteps }) }));
}

async function endOf(trainer: Trainer, data: Dataset): Promise<End> {
  const { loss, accuracy } = await trainer.evaluate('train');
  return { weights: trainer.weightsHash(), evaluation: `${loss} ${accuracy} ${data.train.count}` };
}

function shapeOf({ inputShape, inputType, task, train, test }: Dataset): unknown {
  return { inputShape, inputType, task, train: train.count, test: test.count };
}

/** The kinds of layers that a model has. */
function kindsOf(model: unknown): Iterable<string> {
  const text = JSON.stringify(model);
  return new Set([...text.matchAll(/"kind":"(\w+)"/g)].map((match) => match[1]!));
}
