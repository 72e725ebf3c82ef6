// The label that stands for no class, in data and in losses.

/** The label of a sample without a class, PyTorch's default for ignore_index. */
export const NO_CLASS = -100;
