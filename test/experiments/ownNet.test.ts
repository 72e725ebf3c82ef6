// Experiments on a custom net and data.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { checkPlan } from '../../src/experiments/engine/checkPlan.ts';
import { checkChoices } from '../../src/experiments/engine/choices.ts';
import type { ExperimentOptions } from '../../src/experiments/engine/experiment.ts';
import { aboutSubject, subjectOf } from '../../src/experiments/engine/subject.ts';
import { EXPERIMENTS } from '../../src/experiments/runs/catalog.ts';
import { convergence } from '../../src/experiments/runs/convergence.ts';
import { gradientFlow } from '../../src/experiments/runs/gradientFlow.ts';
import { segmentation } from '../../src/experiments/runs/segmentation.ts';
import { smallBatch } from '../../src/experiments/runs/smallBatch.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm, groupNorm } from '../../src/nn/specs/norms.ts';
import { type LayerSpec, leavesOf } from '../../src/nn/specs/spec.ts';
import { TINY_DATA, TINY_MASKS } from '../support/madeUp.ts';

/** No net of an experiment has 5 channels. */
const CHANNELS = 5;

function netOf(norms: readonly LayerSpec[], classes = 4): LayerSpec {
  return sequential([
    conv2d(1, CHANNELS, { kernel: 3, stride: 2 }),
    ...norms,
    relu(),
    flatten(),
    linear(9 * CHANNELS, classes),
  ]);
}

/** Classes of pixels. */
const PIXEL_NET = {
  name: 'own.json',
  model: sequential([
    conv2d(1, CHANNELS, { kernel: 3, padding: 1 }),
    batchNorm(CHANNELS),
    conv2d(CHANNELS, 3, { kernel: 1 }),
  ]),
};

function optionsOf(more: Partial<ExperimentOptions> = {}): ExperimentOptions {
  const net = { name: 'own.json', model: netOf([batchNorm(CHANNELS)]) };
  const { inputShape, train } = TINY_DATA;
  const facts = { inputShape, countTrain: train.count };
  return { quick: true, seeds: 2, data: 'own/', net, facts, replicaBatches: [4], ...more };
}

const takers = EXPERIMENTS.filter(({ choices }) => choices?.model === true);

describe('an experiment on a custom net', () => {
  it.each(takers.map((experiment) => [experiment.name, experiment] as const))(
    '%s trains only that net, can do all its runs, and names the net and data',
    (_name, experiment) => {
      const ofPixels = experiment === segmentation;
      const dataset = ofPixels ? TINY_MASKS : TINY_DATA;
      const options = optionsOf(ofPixels ? { net: PIXEL_NET } : {});
      const planned = experiment.plan(options);
      checkPlan(experiment, planned, options, dataset);
      const context = { dataset, net: options.net!.model };
      for (const { settings } of planned) {
        expect(settings).toMatchObject({ model: 'own.json', data: 'own/' });
        for (const net of experiment.nets!(settings, context)) {
          expect(leavesOf(net)[0]).toMatchObject({ kind: 'conv2d', outChannels: CHANNELS });
        }
      }
      const subject = subjectOf(experiment, options);
      const { verdicts, plots } = aboutSubject(experiment.analyse([], options), subject);
      for (const { claim } of verdicts) expect(claim).toMatch(/^own\.json on own\/: /);
      for (const { plot } of plots) expect(plot.title).toMatch(/: own\.json on own\/$/);
    },
  );

  it('keeps results of different nets apart, and those of equal nets together', () => {
    const hashOf = (model: LayerSpec): unknown =>
      smallBatch.plan(optionsOf({ net: { name: 'own.json', model } }))[0]!.settings.modelHash;
    const net = netOf([batchNorm(CHANNELS)]);
    expect(hashOf(net)).toBe(hashOf(netOf([batchNorm(CHANNELS)])));
    expect(hashOf(net)).not.toBe(hashOf(netOf([batchNorm(CHANNELS, { eps: 1e-3 })])));
  });

  it('is compared with each requested norm, for the steps of the requested epochs', () => {
    const options = optionsOf({ norms: ['none', 'group', 'layer'], lr: 0.2, epochs: 3 });
    const planned = convergence.plan(options).map(({ settings }) => settings);
    expect(new Set(planned.map(({ norm }) => norm))).toEqual(new Set(options.norms));
    expect(new Set(planned.map(({ rate }) => rate))).toEqual(new Set([0.04, 0.2, 1]));
    expect(planned[0]!.steps).toBe(3 * (128 / 16));
    const claims = convergence.analyse([], options).verdicts.map(({ claim }) => claim);
    expect(claims.filter((claim) => claim.includes('group norm'))).toHaveLength(6);
    expect(() => convergence.plan({ ...options, norms: ['sync'] })).toThrow(/a list with none/);
    expect(() => gradientFlow.plan(optionsOf({ replicaBatches: [2, 4] }))).toThrow(/one batch/);
  });

  it('measures a gradient of each weight, for any shape', async () => {
    const options = optionsOf({ norms: ['none', 'group'] });
    const spec = gradientFlow.plan(options)[1]!;
    const settings = { ...spec.settings, steps: 4, sampleSteps: 2 };
    const { values } = await gradientFlow.run(
      { ...spec, settings },
      {
        dataset: TINY_DATA,
        net: options.net!.model,
        workers: 1,
        signal: new AbortController().signal,
        progress() {},
      },
    );
    // One convolution and one linear layer.
    expect(values.initialNorms).toHaveLength(2);
    for (const norm of values.initialNorms as number[]) expect(norm).toBeGreaterThan(0);
  });

  it('has shorter quick runs if it is large, and full runs otherwise', () => {
    const data = { inputShape: [64, 64, 3], countTrain: 50_000 };
    const wide = sequential([conv2d(3, 512, { kernel: 3 }), batchNorm(512), flatten()]);
    const net = { name: 'wide.json', model: wide };
    const sizeOf = (options: ExperimentOptions) => smallBatch.plan(options)[0]!.settings;
    const quick = sizeOf(optionsOf({ net, facts: data }));
    expect(quick).toMatchObject({ samples: 1024, epochs: 2 });
    expect(sizeOf(optionsOf({ net, facts: data, quick: false }))).toMatchObject({ samples: 8000 });
    expect(sizeOf(optionsOf())).toMatchObject({ samples: 128, epochs: 6 });
  });
});

describe('before anything runs', () => {
  const check = (options: ExperimentOptions): void =>
    checkPlan(smallBatch, smallBatch.plan(options), options, TINY_DATA);
  const withNet = (model: LayerSpec): ExperimentOptions =>
    optionsOf({ net: { name: 'own.json', model } });

  it.each<[string, ExperimentOptions, RegExp]>([
    [
      'a net without batch norms',
      withNet(netOf([])),
      /own\.json: expected .*, got "a net without norm/,
    ],
    ['other norms', withNet(netOf([groupNorm(1, CHANNELS)])), /a net with groupNorm.*batchNorm/],
    ['other classes', withNet(netOf([batchNorm(CHANNELS)], 7)), /got "7 for inputs of 8x8x1"/],
    ['inputs of another size', withNet(sequential([flatten(), linear(9, 4), batchNorm(4)])), /9/],
    ['a batch that the data cannot fill', optionsOf({ replicaBatches: [32] }), /at least 256/],
    [
      'statistics of one value',
      optionsOf({
        replicaBatches: [1],
        net: { name: 'own.json', model: sequential([flatten(), linear(64, 4), batchNorm(4)]) },
      }),
      /one value per channel/,
    ],
  ])('%s is refused', (_what, options, message) => {
    expect(() => check(options)).toThrow(UsageError);
    expect(() => check(options)).toThrow(message);
  });

  it('a choice that makes no sense is refused, with why', () => {
    const overhead = EXPERIMENTS.find(({ name }) => name === 'overhead')!;
    expect(() => checkChoices(overhead, ['model', 'lr'])).toThrow(
      /--lr of syncbn experiment overhead makes no sense here: it times steps.*--norms/,
    );
    expect(() => checkChoices({ name: 'plain' }, ['epochs'])).toThrow(/leaving --epochs out/);
  });
});
