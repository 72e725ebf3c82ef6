// The experiment `fine-tuning`: its plan, its verdicts on made-up errors, a short run, and the two
// tasks that it makes from a dataset.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import type { RunResult } from '../../src/experiments/engine/experiment.ts';
import { classHalves, negativesOf } from '../../src/experiments/runs/classHalves.ts';
import { fineTuning } from '../../src/experiments/runs/fineTuning.ts';
import { TARGETS, WAYS } from '../../src/experiments/runs/fineTuningAnalysis.ts';
import {
  madeUp,
  numbersOf,
  OPTIONS,
  settingsOf,
  TINY_DATA,
  tinyRun,
  verdictOn,
  wiggle,
} from '../support/madeUp.ts';

/** The same errors wherever they are measured. */
const withErrors = (errors: Readonly<Record<(typeof WAYS)[number], number>>): RunResult[] =>
  madeUp(fineTuning, (s) => {
    const found = WAYS.map((way) => [way, errors[way] * (1 + wiggle(s))] as const);
    const losses = WAYS.map((way) => [`${way}Losses`, new Array(10).fill(1)] as const);
    return { values: Object.fromEntries([...found, ...losses]) };
  });

describe('the plan of fine-tuning', () => {
  it('has two batches on both kinds of images for each seed, all different', () => {
    const settings = settingsOf(fineTuning);
    expect(settings).toHaveLength(2 * 2 * 3);
    expect(new Set(settings).size).toBe(settings.length);
  });

  it('has the same number of images for each batch, or the requested epochs', () => {
    const stepsOf = (options = OPTIONS) =>
      fineTuning.plan(options).map(({ settings: s }) => Number(s.steps) * Number(s.replicaBatch));
    expect(new Set(stepsOf()).size).toBe(1);
    expect(new Set(stepsOf({ ...OPTIONS, epochs: 4 }))).toEqual(new Set([1000]));
  });
});

describe('the verdicts of fine-tuning', () => {
  const on = (results: readonly RunResult[], words: string) =>
    verdictOn(fineTuning, results, words).verdict;

  it('confirm what detection code expects', () => {
    const results = withErrors({ sync: 10, local: 20, statistics: 10.1, frozen: 10.2 });
    for (const batch of ['2 images', '1 image']) {
      const alike = `On images like those before, ${batch} per replica: `;
      expect(on(results, `${alike}SyncBN has a lower error than local`)).toBe('confirmed');
      expect(on(results, `${alike}frozen batch norm has a lower error than local`)).toBe(
        'confirmed',
      );
      expect(on(results, `${alike}frozen batch norm has the same error as SyncBN`)).toBe(
        'confirmed',
      );
      expect(
        on(results, `On negatives, ${batch} per replica: SyncBN has a lower error than frozen`),
      ).toBe('confirmed');
    }
  });

  it('refute it if freezing is worst', () => {
    const results = withErrors({ sync: 10, local: 9, statistics: 20, frozen: 30 });
    const alike = 'On images like those before, 1 image per replica: ';
    for (const words of [
      'SyncBN has a lower',
      'frozen batch norm has a lower',
      'frozen batch norm has the same',
    ]) {
      expect(on(results, `${alike}${words}`)).toBe('refuted');
    }
  });

  it('leave it open without results', () => {
    const { verdicts } = fineTuning.analyse([], OPTIONS);
    expect(new Set(verdicts.map(({ verdict }) => verdict))).toEqual(new Set(['inconclusive']));
  });
});

describe('a run of fine-tuning', () => {
  const smaller = { replicas: 2, pretrainSteps: 2, samples: 32, steps: 3 };

  it.each(TARGETS)('runs all variants from the same weights: %s', async (target) => {
    const where = { target, replicaBatch: 2 };
    const found = await tinyRun(fineTuning, where, smaller);
    expect(numbersOf(found).every(Number.isFinite)).toBe(true);
    // Three steps, but one norm each: the losses of the second differ.
    const seconds = WAYS.map((way) => (found.values[`${way}Losses`] as number[])[1]);
    expect(new Set(seconds).size).toBe(WAYS.length);
  });

  it('starts frozen batch norm and frozen statistics with the same loss', async () => {
    const { values } = await tinyRun(fineTuning, { replicaBatch: 2 }, { ...smaller, steps: 1 });
    expect(values.frozenLosses).toEqual(values.statisticsLosses);
    expect(values.frozenLosses).not.toEqual(values.syncLosses);
  });
});

describe('the halves of the classes', () => {
  it('divide the samples of both splits, with classes from 0', () => {
    const { first, second } = classHalves(TINY_DATA);
    for (const split of ['train', 'test'] as const) {
      expect(first[split].count + second[split].count).toBe(TINY_DATA[split].count);
      const is = TINY_DATA[split].targets.findIndex((target) => target >= 2);
      expect(second[split].targets[0]).toBe(TINY_DATA[split].targets[is]! - 2);
      const given = TINY_DATA[split].inputs.subarray(64 * is, 64 * (is + 1));
      expect(second[split].inputs.subarray(0, 64)).toEqual(given);
    }
    expect(new Set(first.train.targets)).toEqual(new Set([0, 1]));
    expect(first.task).toEqual({ kind: 'classification', classes: 2 });
  });

  it('are refused for three classes', () => {
    const task = { kind: 'classification', classes: 3 } as const;
    expect(() => classHalves({ ...TINY_DATA, task })).toThrow(UsageError);
  });
});

describe('negatives', () => {
  it('exchange dark and bright within the range, and keep the standardization', () => {
    const split = { count: 1, targets: Int32Array.of(0) };
    const bytes: Dataset = {
      ...TINY_DATA,
      inputShape: [1, 3, 1],
      inputType: 'u8',
      train: { ...split, inputs: Uint8Array.of(0, 5, 255) },
      test: { ...split, inputs: Uint8Array.of(1, 2, 3) },
    };
    const floats: Dataset = {
      ...bytes,
      inputType: 'f32',
      train: { ...split, inputs: Float32Array.of(-1, 0, 3) },
    };
    expect(negativesOf(bytes).train.inputs).toEqual(Uint8Array.of(255, 250, 0));
    expect(negativesOf(bytes).test.inputs).toEqual(Uint8Array.of(254, 253, 252));
    expect(negativesOf(floats).train.inputs).toEqual(Float32Array.of(3, 2, -1));
    expect(negativesOf(bytes).mean).toEqual(bytes.mean);
  });
});
