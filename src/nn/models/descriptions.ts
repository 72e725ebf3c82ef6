// What the models by name are, in a line each, and what each is published for: the inputs and
// classes that it gets where nobody asks for others.

import type { ModelName, ModelPurpose } from './models.ts';

/** For people; at most 60 characters, so that a table of them fits a terminal. */
export const MODEL_DESCRIPTIONS: Readonly<Record<ModelName, string>> = {
  'mnist-cnn': 'two convolutions and two linear layers; the default of train',
  refnet: 'three convolutions; the reference net of the benchmarks',
  resnet20: 'residual net for 32x32 images (He et al. 2016)',
};

export const MODEL_PURPOSES: Readonly<Record<ModelName, ModelPurpose>> = {
  'mnist-cnn': { inputShape: [28, 28, 1], classes: 10 },
  refnet: { inputShape: [28, 28, 1], classes: 10 },
  resnet20: { inputShape: [32, 32, 3], classes: 10 },
};
