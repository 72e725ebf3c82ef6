// A user's own layer for tests: y = x * scale[channel] + shift[channel], scale summed in float32
// and shift, as a bias, in float64.

export default function channelScale({ start }) {
  return {
    outputShape: (input) => input,
    parameters: (input) => [
      { name: 'scale', shape: [input.at(-1)], init: start },
      { name: 'shift', shape: [input.at(-1)], role: 'bias' },
    ],
    forward({ x, y, parameters: { scale, shift } }) {
      const channels = scale.length;
      for (let i = 0; i < x.length; i++) y[i] = x[i] * scale[i % channels] + shift[i % channels];
    },
    backward({ x, dy, dx, parameters: { scale }, gradients }) {
      const channels = scale.length;
      gradients.scale.fill(0);
      gradients.shift.fill(0);
      for (let i = 0; i < x.length; i++) {
        gradients.scale[i % channels] += x[i] * dy[i];
        gradients.shift[i % channels] += dy[i];
        if (dx !== undefined) dx[i] = dy[i] * scale[i % channels];
      }
    },
  };
}
