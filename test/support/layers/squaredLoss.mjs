// A loss of the user's, on numbers: `factor` times the sum of the squared differences.

export default ({ factor }) => ({
  run({ count, outputLength, outputs, targets, losses, gradients }) {
    for (let n = 0; n < count; n++) {
      losses[n] = 0;
      for (let i = n * outputLength; i < (n + 1) * outputLength; i++) {
        const difference = outputs[i] - targets[i];
        losses[n] += factor * difference ** 2;
        if (gradients !== undefined) gradients[i] = 2 * factor * difference;
      }
    }
  },
});
