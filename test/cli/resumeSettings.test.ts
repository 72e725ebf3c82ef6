import { describe, expect, it } from 'vitest';
import { Flags, type RawFlags } from '../../src/cli/settings/flags.ts';
import { checkAgreement } from '../../src/cli/settings/resumeSettings.ts';
import { describeDataset } from '../../src/data/identity.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { graph } from '../../src/nn/models/graphBuilder.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { crossEntropy } from '../../src/nn/specs/losses.ts';
import { checkpointOf } from '../../src/runtime/resume.ts';
import { resolve } from '../support/resolve.ts';

const data = synthetic({ train: 256, test: 4, shape: [8, 8, 1] });

/** Resumes a run that was started with `begun`, with other flags. */
async function resume(begun: RawFlags, raw: RawFlags): Promise<void> {
  const config = await resolve(begun, data);
  const counters = { runId: 'a run', epochSums: new Float64Array(4), step: 0, epochs: 1 };
  const saved = checkpointOf({ config, data: describeDataset(data), tensors: [], ...counters });
  await checkAgreement(new Flags(raw), { path: 'run.ckpt', saved, isRestart: false }, data);
}

const tuned = {
  freeze: '0.*',
  lrScale: '*.bias=0.5',
  weightDecayOf: '3.*=0,4.*=0.1',
  bnStatistics: 'running',
  bnLayers: '1.*',
  bnFreezeAffine: true,
};
const begun = { replicas: '4', batch: '20', model: 'refnet', lr: '0.05', seed: '7' };

const ofGraph = { replicas: '4', batch: '20', model: 'resnet18', width: '0.125' };

const direct = { ...begun, directConvolutions: true };

describe('a flag that agrees with the checkpoint', () => {
  it.each<[RawFlags, RawFlags]>([
    [begun, {}],
    [begun, begun],
    [begun, { norm: 'sync' }],
    [
      { norm: 'sync', groupSize: '2' },
      { model: 'mnist-cnn', groupSize: '2' },
    ],
    [begun, { replicaBatch: '5', lr: '5e-2', strict: false, flip: false }],
    // Replicas do not affect results here; Trainer.resume refuses them if they do.
    [begun, { replicas: '10', replicaBatch: '2' }],
    [begun, { epochs: '9', workers: '3', checkpoint: 'a', log: 'b', json: true }],
    [
      { norm: 'group', numGroups: '4' },
      { norm: 'group', numGroups: '4' },
    ],
    [{ norm: 'none' }, { norm: 'none', model: 'mnist-cnn' }],
    [{ norm: 'local' }, { model: 'mnist-cnn' }],
    [{ optimizer: 'adam' }, { lr: '0.001' }],
    [{ shards: 'by-class' }, { shards: 'by-class' }],
    [{}, { shards: 'iid' }],
    [
      { optimizer: 'adamw', lr: '1' },
      { optimizer: 'adamw', weightDecay: '0.01' },
    ],
    [
      { strict: true, flip: true, shift: '1' },
      { strict: true, flip: true, shift: '1' },
    ],
    [{ schedule: 'cosine' }, { schedule: 'cosine', warmupSteps: '0' }],
    [{ model: 'refnet', ...tuned }, tuned],
    [
      { model: 'refnet', ...tuned },
      { bnStatistics: 'running', bnLayers: '1.*' },
    ],
    [
      { model: 'resnet20', zeroInitResidual: true },
      { model: 'resnet20', zeroInitResidual: true },
    ],
    [ofGraph, {}],
    [ofGraph, ofGraph],
    [{ ...ofGraph, bnStatistics: 'running' }, { bnStatistics: 'running' }],
    [begun, { ...begun, directConvolutions: false }],
    [direct, direct],
    [direct, { directConvolutions: true }],
    // A model by name does not say how it convolves.
    [direct, begun],
    [
      { ...direct, norm: 'sync', groupSize: '2' },
      { model: 'refnet', groupSize: '2' },
    ],
  ])('is accepted: %j with %j', async (first, then) => {
    await expect(resume(first, then)).resolves.toBeUndefined();
  });
});

describe('--norm', () => {
  it.each<RawFlags>([
    { norm: 'local' },
    { norm: 'frozen' },
    { norm: 'auto', groupSize: '2' },
    { model: 'refnet', norm: 'none' },
  ])('%j may differ, since it converts', async (raw) => {
    await expect(resume(begun, raw)).resolves.toBeUndefined();
  });
});

describe('a flag that disagrees is refused with both values:', () => {
  it.each<[RawFlags, RegExp]>([
    [{ grains: '4' }, /^--grains with .*run\.ckpt: expected .*value, 8.*, got 4/],
    [{ batch: '21' }, /^--batch with .*value, 20, got 21\./],
    [{ replicaBatch: '6' }, /^--replica-batch with .*value, 5, got 6\./],
    [{ seed: '8' }, /^--seed with .*value, 7, got 8\./],
    [{ lr: '0.1' }, /^--lr with .*value, 0\.05, got 0\.1\./],
    [{ momentum: '0.8' }, /^--momentum with .*value, 0\.9, got 0\.8\./],
    [{ weightDecay: '0.1' }, /^--weight-decay with .*value, 0, got 0\.1\./],
    [{ nesterov: true }, /^--nesterov with .*value, false, got true\./],
    [{ noNormDecay: true }, /^--no-norm-decay with /],
    [{ optimizer: 'adam' }, /^--optimizer with .*value, "sgd", got "adam"\./],
    [{ schedule: 'cosine' }, /^--schedule with .*value, "constant", got "cosine"\./],
    [{ warmupSteps: '2' }, /^--warmup-steps with .*value, 0, got 2\./],
    [{ strict: true }, /^--strict with .*value, "fast", got "strict"\./],
    [{ dropLast: true }, /^--drop-last with .*value, false, got true\./],
    [{ shards: 'by-class' }, /^--shards with .*value, "iid", got "by-class"\./],
    [{ shards: 'dirichlet' }, /^--shards: expected 'iid', 'by-class'.*, got "dirichlet"/],
    [{ clipNorm: '1' }, /^--clip-norm with .*value, null, got 1\./],
    [{ shift: '1' }, /^--shift with .*value, 0, got 1\./],
    [{ flip: true }, /^--flip with .*value, false, got true\./],
    [{ labelSmoothing: '0.1' }, /^--label-smoothing with /],
    [{ model: 'mnist-cnn' }, /^--model with .*got "mnist-cnn"/],
    [{ groupSize: '2' }, /^--group-size with .*value, "batchNorm \(sync\)", got "2"\./],
    [{ model: 'mnist-cnn', norm: 'none' }, /^--model with .*got "mnist-cnn"/],
    [{ weights: 'a.ckpt' }, /^--weights a\.ckpt cannot be combined with --resume run\.ckpt/],
    [{ freeze: '0.*' }, /^--freeze with .*got \["0\.\*"\]/],
    [{ lrScale: '0.*=2' }, /^--lr-scale with /],
    [{ weightDecayOf: '0.*=2' }, /^--weight-decay-of with /],
    [{ bnKeepRunning: true }, /^--bn-statistics, --bn-keep-running with /],
    [{ bnFreezeAffine: true }, /^--bn-freeze-affine with /],
    [{ directConvolutions: true }, /^--direct-convolutions with .*value, false, got true\./],
    [{ zeroInitResidual: true }, /^--zero-init-residual with .*value, false, got true\./],
  ])('%j', async (raw, message) => {
    await expect(resume(begun, raw)).rejects.toThrow(message);
  });
});

describe('a checkpoint of a model with heads', () => {
  it('can be resumed with the same weights of heads, or without giving them', async () => {
    const vectors = synthetic({ train: 8, test: 4, shape: [6] });
    const model = graph((x) => ({ main: x.apply(linear(6, 10)), aux: x.apply(linear(6, 10)) }));
    const config = {
      ...(await resolve({ lr: '0.05' }, data)),
      model,
      heads: [{ name: 'aux', loss: crossEntropy(), weight: 0.4 }],
    };
    const counters = { runId: 'a run', epochSums: new Float64Array(5), step: 0, epochs: 1 };
    const description = describeDataset(vectors);
    const saved = checkpointOf({ config, data: description, tensors: [], ...counters });
    const agreement = (raw: RawFlags) =>
      checkAgreement(new Flags(raw), { path: 'run.ckpt', saved, isRestart: false }, vectors);
    await expect(agreement({ lr: '0.05' })).resolves.toBeUndefined();
    await expect(agreement({ heads: 'aux=0.4' })).resolves.toBeUndefined();
    await expect(agreement({ heads: 'aux=0.5' })).rejects.toThrow(/^--heads with .*"weight":0\.5/);
    await expect(agreement({ heads: 'aux=0' })).rejects.toThrow(
      /^--heads: expected .*, got "aux=0"/,
    );
  });
});

describe('a checkpoint of an unnamed model', () => {
  it('can be resumed on data that no named model takes', async () => {
    const vectors = synthetic({ train: 8, test: 4, shape: [6] });
    const config = {
      ...(await resolve(begun, data)),
      model: linear(6, 10),
    };
    const counters = { runId: 'a run', epochSums: new Float64Array(4), step: 0, epochs: 1 };
    const saved = checkpointOf({
      config,
      data: describeDataset(vectors),
      tensors: [],
      ...counters,
    });
    const agreement = checkAgreement(
      new Flags({ lr: '0.05' }),
      { path: 'run.ckpt', saved, isRestart: false },
      vectors,
    );
    await expect(agreement).resolves.toBeUndefined();
  });
});
