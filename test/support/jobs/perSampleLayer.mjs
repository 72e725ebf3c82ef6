// Doubles what comes in, sample by sample.

export default () => ({
  perSample: true,
  outputShape: (input) => input,
  parameters: () => [{ name: 'gain', shape: [1], role: 'norm', init: 2 }],
  forward({ x, y, parameters }) {
    const [gain] = parameters.gain;
    for (let i = 0; i < x.length; i++) y[i] = gain * x[i];
  },
  backward({ x, dy, dx, parameters, gradients, replica }) {
    if (replica !== -1) throw new Error(`expected no replica, got ${replica}`);
    const [gain] = parameters.gain;
    gradients.gain[0] = 0;
    for (let i = 0; i < x.length; i++) gradients.gain[0] += x[i] * dy[i];
    if (dx) for (let i = 0; i < x.length; i++) dx[i] = gain * dy[i];
  },
});
