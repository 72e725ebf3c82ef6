// A layer that passes its input on until it dies at one replica, in one pass of one phase.

import { isMainThread } from 'node:worker_threads';
import { WAYS } from './dying.mjs';

export default function dyingLayer({ way, phase, pass, replica, step, calls }) {
  if (!isMainThread && phase === 'start') WAYS[way]();
  let left = calls;
  const look = (io, current) => {
    const isTraining = phase === 'fit' || phase === 'precise';
    if (current !== pass || io.training !== isTraining || io.replica !== replica) return;
    if (isTraining ? io.step === step : left-- === 0) WAYS[way]();
  };
  return {
    outputShape: (input) => input,
    forward(io) {
      look(io, 'forward');
      io.y.set(io.x);
    },
    backward(io) {
      look(io, 'backward');
      io.dx?.set(io.dy);
    },
  };
}
