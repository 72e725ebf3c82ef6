// What users write of a trainer and of data, right and wrong. Nothing here runs: the compiler
// refuses each line below a directive, for the reason whose number stands there.

import {
  type Evaluation,
  nn,
  openDataset,
  optim,
  type Progress,
  synthetic,
  Trainer,
  type TrainerOptions,
} from 'syncbn';

const good: TrainerOptions = {
  model: nn.linear(4, 2),
  data: synthetic({ train: 8, test: 2, shape: [4], classes: 2 }),
  optimizer: optim.sgd({ lr: 0.1 }),
};
const { model, data, optimizer } = good;

function takes<T>(_value: T): void {}

export async function start(): Promise<Trainer> {
  // @ts-expect-error TS2353: no such option.
  await Trainer.start({ ...good, learningRate: 0.1 });
  // @ts-expect-error TS2345: a run needs data.
  await Trainer.start({ model, optimizer });
  // @ts-expect-error TS2345: a run needs an optimizer.
  await Trainer.start({ model, data });
  // @ts-expect-error TS2322: an optimizer is not a name.
  await Trainer.start({ model, data, optimizer: 'sgd' });
  // @ts-expect-error TS2353: globalBatch or replicaBatch.
  await Trainer.start({ ...good, batch: 64 });
  // @ts-expect-error TS2322: a batch is a number.
  await Trainer.start({ ...good, globalBatch: '64' });
  // @ts-expect-error TS2322: a batch is a number.
  await Trainer.start({ ...good, replicaBatch: [4, 4] });
  // @ts-expect-error TS2379: what is left out is left out, not undefined.
  takes<TrainerOptions>({ ...good, workers: undefined });
  // @ts-expect-error TS2322: no mode of this name.
  await Trainer.start({ ...good, mode: 'exact' });
  // @ts-expect-error TS2322: no such way.
  await Trainer.start({ ...good, onNonFinite: 'skip' });
  // @ts-expect-error TS2353: no such augmentation.
  await Trainer.start({ ...good, augmentation: { rotate: 10 } });
  // @ts-expect-error TS2345: a resume needs the data.
  await Trainer.resume('run.ckpt', {});
  // @ts-expect-error TS2353: a checkpoint decides its batch.
  await Trainer.resume('run.ckpt', { data, globalBatch: 4 });
  // @ts-expect-error TS2351: a trainer is started, not made.
  new Trainer(good);
  return Trainer.start({
    ...good,
    replicas: 4,
    workers: 2,
    replicaBatch: 16,
    norm: { to: 'auto' },
  });
}

export async function use(trainer: Trainer): Promise<void> {
  for await (const progress of trainer.fit({ epochs: 2, progressEveryMs: 100 })) {
    takes<Progress>(progress);
    takes<'progress' | 'epoch' | 'stopped'>(progress.kind);
    takes<number>(progress.loss + progress.accuracy + progress.step);
    // @ts-expect-error TS2367: no progress of this kind.
    if (progress.kind === 'done') break;
    // @ts-expect-error TS2551: a progress has a loss, not losses.
    takes<number>(progress.losses);
    // @ts-expect-error TS2345: there may be no diagnostics.
    takes<object>(progress.diagnostics);
  }
  // @ts-expect-error TS2345: a fit needs epochs.
  trainer.fit({ maxSteps: 3 });
  // @ts-expect-error TS2353: no such option.
  trainer.fit({ epochs: 1, steps: 3 });
  // @ts-expect-error TS2504: fit is a loop, evaluate is not.
  for await (const _ of trainer.evaluate());
  // @ts-expect-error TS2345: no split of this name.
  await trainer.evaluate('valid');
  takes<Evaluation>(await trainer.evaluate('train'));
  takes<Float32Array>(await trainer.predict(new Uint8Array(4)));
  takes<Float32Array>(await trainer.predict(new Float64Array(4)));
  // @ts-expect-error TS2345: inputs are typed arrays.
  await trainer.predict([1, 2, 3, 4]);
  // @ts-expect-error TS2345: outputs come later.
  takes<Float32Array>(trainer.predict(new Float32Array(4)));
  // @ts-expect-error TS2540: steps are counted by training.
  trainer.step = 0;
  // @ts-expect-error TS2554: a checkpoint needs a path.
  await trainer.save();
}

export async function datasets(): Promise<void> {
  // @ts-expect-error TS2322: samples are counted.
  synthetic({ train: '8' });
  // @ts-expect-error TS2353: no such option.
  await openDataset('./data', { shuffle: true });
  // @ts-expect-error TS2322: no type of this name.
  takes<TrainerOptions['data']>({ ...data, inputType: 'f16' });
}
