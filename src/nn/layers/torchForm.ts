// What a kind says of PyTorch: how it names and lays out the tensors of a layer, and in which order
// the values come that a layer makes. Read by interop/torchTensors.ts alone.

/** What PyTorch has of a tensor, where that is not the same. */
export interface TorchForm {
  /** Its name there; default the same. */
  readonly name?: string;
  /** Our axes in the order that PyTorch has them in; default the same. */
  readonly axes?: readonly number[];
  /** Which of our axes, if any, runs over the values of a flattened input, which PyTorch has in
   * another order after images. */
  readonly features?: number;
  /** Whether it is a whole number: an int64 without axes there. Default false. */
  readonly isCount?: boolean;
}

/** In which order PyTorch has the values that a layer makes. */
export interface TorchOrder {
  /** Whether a sequence [T, C] that comes out is [C, T] there; default: as the one that came in. */
  readonly isSequenceChannelsFirst?: boolean;
  /** Whether an input of several axes becomes a vector in PyTorch's order; default false. */
  readonly flattens?: boolean;
  /** Whether it is not the same with the features of a vector in another order; default false. */
  readonly dependsOnOrder?: boolean;
}

/** Weights of products: ours end in inputs and outputs, PyTorch's begin with outputs and inputs. */
export const TORCH_CONV2D: TorchForm = { axes: [3, 2, 0, 1] };
export const TORCH_CONV1D: TorchForm = { axes: [2, 1, 0] };
export const TORCH_LINEAR: TorchForm = { axes: [1, 0], features: 0 };
/** A vector with an element for each feature or channel of the input. */
export const TORCH_VECTOR: TorchForm = { features: 0 };

/** The weight or bias of a norm over the last axes, which are all of an image where they are three.
 */
export function torchLastAxes(countAxes: number): TorchForm {
  if (countAxes === 1) return TORCH_VECTOR;
  return countAxes === 3 ? { axes: [2, 0, 1] } : {};
}
