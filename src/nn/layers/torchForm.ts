// What a kind knows about PyTorch: its names and layouts of a layer's tensors, and the order of the
// values that a layer outputs. Only interop/torchTensors.ts reads it.

/** How PyTorch's tensor differs from ours. */
export interface TorchForm {
  /** Its name in PyTorch; default the same. */
  readonly name?: string;
  /** Our axes in PyTorch's order; default the same. */
  readonly axes?: readonly number[];
  /** Which of our axes, if any, runs over the values of a flattened input, which PyTorch orders
   * differently after images. */
  readonly features?: number;
  /** Whether it is a whole number, which is an int64 scalar in PyTorch. Default false. */
  readonly isCount?: boolean;
}

/** PyTorch's order of the values that a layer outputs. */
export interface TorchOrder {
  /** Whether an output sequence [T, C] is [C, T] in PyTorch; default as the input. */
  readonly isSequenceChannelsFirst?: boolean;
  /** Whether an input of several axes becomes a vector in PyTorch's order; default false. */
  readonly flattens?: boolean;
  /** Whether the layer depends on the order of a vector's features; default false. */
  readonly dependsOnOrder?: boolean;
}

/** The weights of products: ours end with inputs and outputs, PyTorch's begin with outputs and
 * inputs. */
export const TORCH_CONV2D: TorchForm = { axes: [3, 2, 0, 1] };
export const TORCH_CONV1D: TorchForm = { axes: [2, 1, 0] };
export const TORCH_LINEAR: TorchForm = { axes: [1, 0], features: 0 };
/** A vector with an element for each feature or channel of the input. */
export const TORCH_VECTOR: TorchForm = { features: 0 };

/** The weight or bias of a norm over the last axes, which are all axes of an image if there are
 * three. */
export function torchLastAxes(countAxes: number): TorchForm {
  if (countAxes === 1) return TORCH_VECTOR;
  return countAxes === 3 ? { axes: [2, 0, 1] } : {};
}
