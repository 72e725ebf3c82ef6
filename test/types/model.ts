// What users write of layers, losses, models and optimizers, right and wrong. Nothing here runs:
// the compiler refuses each line below a directive, for the reason whose number stands there.

import {
  type CustomLayer,
  type LayerSpec,
  type LossSpec,
  nn,
  type OptimizerSpec,
  optim,
} from 'syncbn';

export function layers(): readonly LayerSpec[] {
  // @ts-expect-error TS2561: no such option.
  nn.conv2d(3, 8, { kernel: 3, paddings: 1 });
  // @ts-expect-error TS2554: a kernel has no default.
  nn.conv2d(3, 8);
  // @ts-expect-error TS2345: sizes are numbers.
  nn.linear('4', 2);
  // @ts-expect-error TS2322: a flag is no number.
  nn.linear(4, 2, { bias: 1 });
  // @ts-expect-error TS2322: statistics have no such scope.
  nn.batchNorm(8, { sync: 'global' });
  // @ts-expect-error TS2353: group norm has no running statistics.
  nn.groupNorm(2, 8, { momentum: 0.1 });
  // @ts-expect-error TS2322: a shape is of numbers.
  nn.layerNorm(['8']);
  // @ts-expect-error TS2322: recurrent layers have no such norm.
  nn.gru(4, 8, { norm: 'instance' });
  // @ts-expect-error TS2322: a layer is not a builder.
  nn.sequential([nn.relu]);
  // @ts-expect-error TS2345: a shortcut is a layer or null.
  nn.residual(nn.relu(), 'identity');
  // @ts-expect-error TS2551: no layer of this name.
  nn.conv3d(3, 8, { kernel: 3 });
  // @ts-expect-error TS2345: a model is made for an input.
  nn.namedModel('refnet', { classes: 3 });
  // @ts-expect-error TS2322: no norm of this name.
  nn.convertNorm(nn.batchNorm(8), { to: 'batch' });
  const spec = nn.batchNorm(8, { sync: 2, momentum: null });
  // @ts-expect-error TS2540: a spec does not change.
  spec.channels = 9;
  return [
    spec,
    nn.conv2d(3, 8, { kernel: [3, 1], padding: 1, bias: false }),
    nn.residual(nn.sequential([nn.relu(), nn.groupNorm(2, 8)]), null),
    nn.convertNorm(nn.batchNorm(8), { to: 'sync', groupSize: 2 }),
    nn.namedModel('refnet', { inputShape: [8, 8, 3], classes: 3 }),
  ];
}

export function losses(): readonly LossSpec[] {
  // @ts-expect-error TS2353: no such option.
  nn.crossEntropy({ smoothing: 0.1 });
  // @ts-expect-error TS2554: a mean of squares has no options.
  nn.meanSquaredError({ reduction: 'sum' });
  return [nn.crossEntropy(), nn.meanSquaredError()];
}

export function optimizers(): readonly OptimizerSpec[] {
  // @ts-expect-error TS2554: a learning rate has no default in SGD.
  optim.sgd();
  // @ts-expect-error TS2345: a learning rate has no default in SGD.
  optim.sgd({ momentum: 0.9 });
  // @ts-expect-error TS2353: Adam has no momentum.
  optim.adam({ momentum: 0.9 });
  // @ts-expect-error TS2322: betas are a pair.
  optim.adamw({ betas: [0.9] });
  // @ts-expect-error TS2322: milestones are a list.
  optim.schedules.step({ milestones: 10 });
  // @ts-expect-error TS2353: no such option.
  optim.schedules.cosine({ warmUp: 5 });
  // @ts-expect-error TS2339: no optimizer of this name.
  optim.adagrad({ lr: 1e-2 });
  // @ts-expect-error TS2554: a learning rate has no default in LARS.
  optim.lars();
  return [optim.sgd({ lr: 0.1, nesterov: true, momentum: 0.9 }), optim.adam(), optim.adamw()];
}

export function customLayers(): readonly CustomLayer[] {
  const scale: CustomLayer = {
    perSample: true,
    outputShape: (input) => input,
    forward(io) {
      io.y.set(io.x);
      // @ts-expect-error TS2540: a layer writes into its output, it does not replace it.
      io.y = io.x;
    },
    backward({ dx, dy }) {
      // @ts-expect-error TS18048: there is no input gradient where nothing before is trained.
      dx.set(dy);
      dx?.set(dy);
    },
  };
  // @ts-expect-error TS2741: backward is missing.
  const half: CustomLayer = { outputShape: (input) => input, forward() {} };
  // @ts-expect-error TS2322: a shape is a list.
  const flat: CustomLayer = { ...scale, outputShape: () => 4 };
  // @ts-expect-error TS2345: a module is named, not given.
  nn.custom(() => scale);
  return [scale, half, flat];
}
