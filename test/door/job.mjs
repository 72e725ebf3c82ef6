// Calls the methods of a group, and of norms on it, with junk in each place. Run on one worker.

import { normsFor, UsageError } from 'syncbn';
import { misbehaved } from './junk.mjs';

const floats = (length) => new Float32Array(length).fill(1);

const groupRows = (group) => ({
  allocate: () => ['float32', 4],
  barrier: () => [{ label: 'a', timeoutMs: 5000 }],
  broadcast: () => [floats(2), 0, {}],
  reduce: () => [floats(2), 'sum', 0, {}],
  allReduce: () => [floats(2), 'mean', { label: 'a' }],
  reduceScatter: () => [floats(2), floats(2), 'sum', {}],
  allGather: () => [floats(2), floats(2), {}],
  allGatherV: () => [floats(2), floats(2), [2], {}],
  scatter: () => [floats(2), floats(2), 0, {}],
  gather: () => [floats(2), floats(2), 0, {}],
  exclusiveScan: () => [floats(2), 'max', {}],
  split: {
    args: () => [0, 0, {}],
    call: (...args) => group.split(...args)?.free(),
  },
  free: { args: () => [], call: () => group.split(0).free() },
  stats: () => [],
});

const normsRows = (group) => ({
  batchNorm: () => [2, { group, eps: 1e-5, momentum: 0.1, maxRows: 4, name: 'a' }],
  groupNorm: () => [1, 2, { rowsPerSample: 2, eps: 1e-5 }],
  instanceNorm: () => [2, { rowsPerSample: 2 }],
  layerNorm: () => [[2], { eps: 1e-5, name: 'a' }],
});

const normRows = (norm) => {
  const x = floats(8);
  const { saved } = norm.forward(x);
  const parameters = () => ({ weight: floats(2), bias: floats(2), y: floats(8) });
  return {
    forward: () => [floats(8), parameters()],
    evaluate: () => [floats(8), parameters()],
    backward: () => [floats(8), saved, { dx: floats(8) }],
    parameterGradients: () => [floats(8), saved],
    doubleBackward: () => [
      floats(8),
      saved,
      { dx: floats(8), weightGrad: new Float64Array(2), biasGrad: new Float64Array(2) },
    ],
  };
};

export default async function door({ group }) {
  const found = [];
  const walk = async (prefix, object, rows) => {
    for (const [key, value] of Object.entries(object)) {
      if (typeof value !== 'function') continue;
      const row = rows[key];
      if (row === undefined) {
        found.push(`${prefix}.${key} has no row in test/door/job.mjs`);
        continue;
      }
      const { args, call } = typeof row === 'function' ? { args: row, call: value } : row;
      const isRefusal = (error) => error instanceof UsageError;
      const tried = { args, call: call.bind(object), depth: 2 };
      found.push(...(await misbehaved(`${prefix}.${key}`, tried, isRefusal)));
    }
  };
  await walk('group', group, groupRows(group));
  for (const options of [{ lable: 'a' }, { timeout: 5 }]) {
    const [name] = Object.keys(options);
    try {
      group.barrier(options);
      found.push(`barrier takes ${name}`);
    } catch ({ message }) {
      if (!/option of a call.*label or timeoutMs/.test(message)) found.push(message);
    }
  }
  const norms = normsFor(group);
  await walk('norms', norms, normsRows(group));
  await walk('batchNorm', norms.batchNorm(2), normRows(norms.batchNorm(2)));
  const layerNorm = norms.layerNorm(2);
  await walk('layerNorm', layerNorm, normRows(layerNorm));
  const groupNorm = norms.groupNorm(1, 2, { rowsPerSample: 2 });
  await walk('groupNorm', groupNorm, normRows(groupNorm));
  return found;
}
