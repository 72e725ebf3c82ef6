// Swish with a trained slope b for each channel (Ramachandran, Zoph, Le 2017), backward by hand:
// y = x s(b x), dy/dx = s + b x s (1 - s), dy/db = x^2 s (1 - s), where s(z) = 1 / (1 + exp(-z)).
// Arrays hold `count` samples, flat and channels last.

/** `start` is the initial value of all slopes. */
export default function swish({ start }) {
  return {
    // Samples are independent, so the layer may be called with any of them.
    perSample: true,

    outputShape: (input) => input,

    // A bias has no weight decay, and its gradients are summed in float64.
    parameters: (input) => [{ name: 'slope', shape: [input.at(-1)], role: 'bias', init: start }],

    forward({ x, y, parameters: { slope } }) {
      for (let i = 0; i < x.length; i++) y[i] = x[i] * sigmoid(slope[i % slope.length] * x[i]);
    },

    // Parameter gradients must be written completely, even if there are no samples.
    backward({ x, dy, dx, parameters: { slope }, gradients }) {
      gradients.slope.fill(0);
      for (let i = 0; i < x.length; i++) {
        const channel = i % slope.length;
        const s = sigmoid(slope[channel] * x[i]);
        const change = x[i] * s * (1 - s);
        gradients.slope[channel] += dy[i] * x[i] * change;
        // dx is undefined if nothing before this layer needs it.
        if (dx !== undefined) dx[i] = dy[i] * (s + slope[channel] * change);
      }
    },
  };
}

function sigmoid(z) {
  return 1 / (1 + Math.exp(-z));
}
