// The words that flags accept, for help and completion. They repeat lists of the library, whose
// files would otherwise be loaded for every help page; test/cli/flagTable.test.ts compares the two.

export const DATA_WORDS: readonly string[] = [
  'mnist',
  'fashion-mnist',
  'synthetic',
  'scenes',
  'small-scenes',
  'fashion-scenes',
];
export const MODEL_WORDS: readonly string[] = [
  'mnist-cnn',
  'refnet',
  'resnet20',
  'resnet18',
  'resnet34',
  'resnet50',
  'mobilenet-v2',
  'mobilenet-v3-small',
  'efficientnet-b0',
  'densenet121',
  'unet',
];
export const NORM_WORDS: readonly string[] = [
  'sync',
  'local',
  'group',
  'layer',
  'instance',
  'none',
  'auto',
  'frozen',
];
export const SCHEDULE_WORDS: readonly string[] = [
  'constant',
  'cosine',
  'exponential',
  'one-cycle',
  'plateau',
  'points',
  'polynomial',
  'step',
  'warm-restarts',
];
export const LOSS_WORDS: readonly string[] = [
  'cross-entropy',
  'binary-cross-entropy',
  'mse',
  'l1',
  'huber',
];
export const EXPERIMENT_WORDS: readonly string[] = [
  'small-batch',
  'sync-group',
  'precise',
  'non-iid',
  'convergence',
  'learning-rate',
  'gradient-flow',
  'covariate-shift',
  'regularization',
  'overhead',
  'sequence',
  'segmentation',
  'fine-tuning',
  'style',
  'peers',
];
export const DEVICE_WORDS: readonly string[] = [
  'v100',
  'v100-amp',
  'a100',
  'a100-amp',
  'h100',
  'h100-amp',
  'measured',
];
export const LINK_WORDS: readonly string[] = [
  'nvlink2',
  'nvlink3',
  'nvlink4',
  'pcie3',
  'pcie4',
  'pcie5',
  'ib-edr',
  'ib-hdr',
  'ib-ndr',
  'ethernet-100m',
  'ethernet-1g',
  'ethernet-10g',
  'ethernet-25g',
  'ethernet-100g',
];
