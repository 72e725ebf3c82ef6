// Random models over all kinds of layers. A model is built layer by layer along the shape of its
// activations, so every model can be trained.

import { type Shape, sizeOf } from '../../src/base/shape.ts';
import { type LayerSpec, nn } from '../../src/index.ts';
import { WEIGHT_INITS } from '../../src/nn/specs/init.ts';
import type { Dice } from './dice.ts';

const CUSTOM = new URL('../support/layers/channelScale.mjs', import.meta.url);

/** What decides which layers are allowed. */
export interface ModelRoom {
  readonly inputShape: Shape;
  readonly outputs: number;
  /** Sync groups that batch norms may use. */
  readonly replicas: number;
  /** The fewest samples that a replica has in any step: local batch statistics need more. */
  readonly leastShard: number;
}

interface Grown {
  readonly layer: LayerSpec;
  readonly shape: Shape;
}

type Grow = (dice: Dice, shape: Shape, room: ModelRoom) => Grown;

/** A model for inputs [H, W, C] or [F]. */
export function randomModel(dice: Dice, room: ModelRoom): LayerSpec {
  const layers: LayerSpec[] = [];
  let shape = room.inputShape;
  const add = ({ layer, shape: next }: Grown): void => {
    layers.push(layer);
    shape = next;
  };
  if (shape.length === 3) {
    for (let n = dice.between(1, 5); n > 0; n--) add(dice.pick(IMAGE_LAYERS)(dice, shape, room));
    const pool = dice.pick([nn.globalAvgPool(), nn.globalMaxPool()]);
    if (dice.chance(0.5)) add({ layer: pool, shape: [shape[2]!] });
    else add({ layer: nn.flatten(), shape: [sizeOf(shape)] });
  }
  for (let n = dice.between(0, 3); n > 0; n--) add(dice.pick(VECTOR_LAYERS)(dice, shape, room));
  if (dice.chance(0.35)) {
    for (const grown of sequence(dice, shape[0]!, room)) add(grown);
  }
  layers.push(nn.linear(shape[0]!, room.outputs, { bias: dice.chance(0.8) }));
  return nn.sequential(layers);
}

const activation: Grow = (dice, shape) => ({
  layer: dice.pick([
    nn.relu(),
    nn.relu6(),
    nn.leakyRelu(dice.uniform(0, 0.3)),
    nn.prelu(),
    nn.prelu({ numParameters: shape.at(-1)! }),
    nn.elu(dice.uniform(0, 1.5)),
    nn.gelu(),
    nn.gelu({ approximate: 'tanh' }),
    nn.silu(),
    nn.sigmoid(),
    nn.tanh(),
    nn.hardSigmoid(),
    nn.hardSwish(),
    nn.softmax(),
  ]),
  shape,
});

const dropout: Grow = (dice, shape) => {
  const p = dice.uniform(0, 0.6);
  const layers = [nn.dropout(p), nn.dropPath(p)];
  return { layer: dice.pick(shape.length === 3 ? [...layers, nn.dropout2d(p)] : layers), shape };
};

const custom: Grow = (dice, shape) => ({
  layer: nn.custom(CUSTOM, { start: dice.uniform(0.5, 1.5) }),
  shape,
});

const conv: Grow = (dice, shape) => {
  const [height, width, channels] = shape as [number, number, number];
  const kernel = dice.pick([1, 2, 3]);
  const dilation = kernel > 1 && dice.chance(0.15) ? 2 : 1;
  const padding = dice.chance(0.8) ? Math.floor((dilation * (kernel - 1) + 1) / 2) : 0;
  const stride = dice.chance(0.25) ? 2 : 1;
  const outOf = (size: number): number =>
    Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
  if (outOf(height) < 1 || outOf(width) < 1) return activation(dice, shape, NO_ROOM);
  const groups = dice.chance(0.2) ? channels : channels % 2 === 0 && dice.chance(0.2) ? 2 : 1;
  const out = groups === channels && groups > 1 ? channels : groups * dice.pick([1, 2, 3, 4, 8]);
  const isWide = groups === 1 && dice.chance(0.2);
  const outChannels = isWide ? 16 : out;
  const layer = nn.conv2d(channels, outChannels, {
    ...{ kernel, stride, padding, dilation, groups },
    bias: dice.chance(0.5),
    init: dice.pick(WEIGHT_INITS),
    // A single weight has no deviation.
    weightStandardization: dice.chance(0.15) && (kernel > 1 || channels > groups),
  });
  return { layer, shape: [outOf(height), outOf(width), outChannels] };
};

const transposed: Grow = (dice, shape) => {
  const [height, width, channels] = shape as [number, number, number];
  // Twice the size and no more, so that models stay small.
  if (height * width > 64) return conv(dice, shape, NO_ROOM);
  const outChannels = dice.pick([1, 2, 3, 4]);
  const layer = nn.convTranspose2d(channels, outChannels, {
    ...dice.pick([
      { kernel: 2, stride: 2 },
      { kernel: 4, stride: 2, padding: 1 },
      { kernel: 3, stride: 2, padding: 1, outputPadding: 1 },
    ]),
    bias: dice.chance(0.7),
    init: dice.pick(WEIGHT_INITS),
  });
  return { layer, shape: [2 * height, 2 * width, outChannels] };
};

/** Layers that move pixels; the outcome stays small. */
const moved: Grow = (dice, shape) => {
  const [height, width, channels] = shape as [number, number, number];
  const size: [number, number] = [dice.between(1, 8), dice.between(1, 8)];
  const first = dice.between(0, height - 1);
  const bottom = dice.between(0, 2);
  return dice.pick<() => Grown>([
    () => ({ layer: nn.upsample({ size }), shape: [...size, channels] }),
    () => ({ layer: nn.upsample({ size, mode: 'bilinear' }), shape: [...size, channels] }),
    () => ({ layer: nn.pad({ bottom }), shape: [height + bottom, width, channels] }),
    () => ({
      layer: nn.slice({ rows: [first, height] }),
      shape: [height - first, width, channels],
    }),
  ])();
};

const NO_ROOM: ModelRoom = { inputShape: [], outputs: 0, replicas: 1, leastShard: 0 };

const pool: Grow = (dice, shape) => {
  const [height, width, channels] = shape as [number, number, number];
  if (Math.min(height, width) < 2) return activation(dice, shape, NO_ROOM);
  const stride = dice.pick([1, 2]);
  const outOf = (size: number): number => Math.floor((size - 2) / stride) + 1;
  const options = { kernel: 2, stride };
  const layer = dice.chance(0.5) ? nn.maxPool(options) : nn.avgPool(options);
  const size: [number, number] = [dice.between(1, 4), dice.between(1, 4)];
  return dice.pick<Grown>([
    { layer, shape: [outOf(height), outOf(width), channels] },
    { layer: nn.adaptiveAvgPool(size), shape: [...size, channels] },
    { layer: nn.adaptiveMaxPool(size), shape: [...size, channels] },
  ]);
};

const linear: Grow = (dice, shape) => {
  const features = dice.pick([1, 2, 3, 5, 8, 12, 24]);
  const layer = nn.linear(sizeOf(shape), features, {
    bias: dice.chance(0.7),
    init: dice.pick(WEIGHT_INITS),
    weightStandardization: dice.chance(0.15) && sizeOf(shape) > 1,
  });
  return { layer, shape: [features] };
};

/** Per-sample norms need no other sample; batch norms need more than one value per channel. */
const randomNorm: Grow = (dice, shape, room) => {
  const channels = shape.at(-1)!;
  const affine = dice.chance(0.7);
  const momentum = dice.pick([0.1, 0.03, null]);
  const perSample = sizeOf(shape) / channels;
  const isLocalGood = room.leastShard * perSample >= 2;
  const scopes = isLocalGood ? (['local', 'all', room.replicas] as const) : (['all'] as const);
  const sync = dice.pick(scopes);
  const choices: (() => LayerSpec)[] = [
    () => nn.batchNorm(channels, { affine, momentum, sync }),
    () => nn.batchNorm(channels, { affine, frozen: true }),
    () => nn.batchRenorm(channels, { affine, sync, warmupSteps: dice.pick([0, 3, 100]) }),
  ];
  if (isLocalGood) {
    const virtualBatch = dice.between(2, 4);
    choices.push(
      () => nn.batchNorm(channels, { affine, virtualBatch }),
      // Evaluation then takes the statistics of each shard.
      () => nn.batchNorm(channels, { affine, sync, trackRunningStats: false }),
    );
  }
  if (sizeOf(shape) >= 4) {
    choices.push(
      () => nn.layerNorm(shape, { affine }),
      () => nn.rmsNorm(shape, { affine }),
    );
  }
  if (channels % 4 === 0) choices.push(() => nn.groupNorm(channels / 4, channels, { affine }));
  if (shape.length === 3 && perSample >= 4) {
    choices.push(
      () => nn.instanceNorm(channels, { affine }),
      () => nn.filterResponseNorm(channels, { affine }),
    );
  }
  return { layer: dice.pick(choices)(), shape };
};

const residual: Grow = (dice, shape, room) => {
  const channels = shape.at(-1)!;
  const body: LayerSpec[] = [];
  if (shape.length === 3) {
    body.push(nn.conv2d(channels, channels, { kernel: 3, padding: 1 }));
  } else {
    body.push(nn.linear(channels, channels));
  }
  body.push(randomNorm(dice, shape, room).layer);
  if (dice.chance(0.5)) body.push(activation(dice, shape, room).layer);
  const shortcut = dice.chance(0.4) ? randomNorm(dice, shape, room).layer : null;
  const sum = nn.residual(nn.sequential(body), shortcut);
  if (dice.chance(0.5)) return { layer: sum, shape };
  return { layer: nn.sequential([sum, nn.relu()]), shape };
};

/** A vector as a sequence through a recurrent layer, back to a vector. */
function sequence(dice: Dice, features: number, room: ModelRoom): Grown[] {
  const size = [4, 3, 2, 1].find((divisor) => features % divisor === 0)!;
  const times = features / size;
  if (times > 40) return [];
  const hidden = dice.between(1, 6);
  const returnSequence = dice.chance(0.3);
  const norm = dice.pick(
    hidden > 1 && size > 1 ? (['none', 'layer', 'batch'] as const) : (['none', 'batch'] as const),
  );
  const sync = norm === 'batch' ? ({ sync: 'all', eps: 1e-2 } as const) : {};
  const options = { returnSequence, bias: dice.chance(0.7), norm, ...sync };
  const shape = returnSequence ? [times, hidden] : [hidden];
  const kind = dice.pick(['gru', 'lstm', 'rnn'] as const);
  const layer =
    kind === 'rnn'
      ? nn.rnn(size, hidden, { ...options, nonlinearity: dice.pick(['tanh', 'relu'] as const) })
      : nn[kind](size, hidden, options);
  const grown: Grown[] = [
    { layer: nn.reshape([times, size]), shape: [times, size] },
    { layer, shape },
  ];
  if (!returnSequence) return grown;
  if (dice.chance(0.5)) grown.push(randomNorm(dice, shape, room));
  return [...grown, { layer: nn.flatten(), shape: [sizeOf(shape)] }];
}

const IMAGE_LAYERS: readonly Grow[] = [
  ...[conv, conv, conv, randomNorm, randomNorm, randomNorm, activation, activation],
  ...[pool, residual, residual, dropout, custom, transposed, moved],
];
const VECTOR_LAYERS: readonly Grow[] = [
  linear,
  linear,
  randomNorm,
  randomNorm,
  activation,
  residual,
  dropout,
];
