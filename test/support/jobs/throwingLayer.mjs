// A layer that passes its input on and throws at one replica in one step.

export default function throwingLayer(options) {
  return {
    outputShape: (input) => input,
    forward({ x, y, training, replica, step }) {
      if (training && replica === options.replica && step === options.step) {
        throw new Error('as it was told to');
      }
      y.set(x);
    },
    backward({ dy, dx }) {
      dx?.set(dy);
    },
  };
}
