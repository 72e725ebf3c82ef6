import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { directConvolutions } from '../../src/nn/convert/directConvolutions.ts';
import { buildGraph } from '../../src/nn/graph/graph.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { parseModel } from '../../src/nn/models/parse.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { MAX_DEPTH } from '../../src/nn/specs/depth.ts';
import { type LayerSpec, leafPaths, leavesOf, mapLeaves } from '../../src/nn/specs/spec.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';

type Wrap = (inner: LayerSpec) => LayerSpec;

const WRAPS: readonly (readonly [string, Wrap])[] = [
  ['sequential', (inner) => ({ kind: 'sequential', layers: [inner] })],
  ['the body of residual', (body) => ({ kind: 'residual', body, shortcut: null })],
  ['the shortcut of residual', (shortcut) => ({ kind: 'residual', body: relu(), shortcut })],
];

function nested(depth: number, wrap: Wrap): LayerSpec {
  let model: LayerSpec = relu();
  for (let i = 0; i < depth; i++) model = wrap(model);
  return model;
}

/** Everything that traverses a model. */
const WALKS: readonly (readonly [string, (model: LayerSpec) => unknown])[] = [
  ['sequential', (model) => sequential([model])],
  ['residual', (model) => residual(model)],
  ['buildGraph', (model) => buildGraph(model, [4])],
  ['parseModel', (model) => parseModel(model, 'the model')],
  ['convertNorm', (model) => convertNorm(model, { to: 'group' })],
  ['directConvolutions', (model) => directConvolutions(model)],
  ['leavesOf', (model) => leavesOf(model)],
  ['leafPaths', (model) => leafPaths(model)],
  ['mapLeaves', (model) => mapLeaves(model, (leaf) => leaf)],
];

describe.each(WALKS)('%s', (_, walk) => {
  it.each(WRAPS)('refuses 5000 levels of %s, and accepts the maximum', (_name, wrap) => {
    const tooDeep = (): unknown => walk(nested(5000, wrap));
    expect(tooDeep).toThrow(UsageError);
    expect(tooDeep).toThrow(/nested deeper than 32 sequential and residual/);
    expect(() => walk(nested(MAX_DEPTH - 1, wrap))).not.toThrow();
  });

  it('refuses a model that contains itself', () => {
    const layers: LayerSpec[] = [relu()];
    const model: LayerSpec = { kind: 'sequential', layers };
    layers.push(model);
    expect(() => walk(model)).toThrow(/nested deeper/);
  });
});

describe('a trainer', () => {
  it('refuses a model that is nested too deeply before starting a thread', async () => {
    const data = synthetic({ train: 8, test: 0, shape: [10] });
    const model = nested(5000, WRAPS[0]![1]);
    const started = Trainer.start({ model, data, optimizer: sgd({ lr: 0.1 }) });
    await expect(started).rejects.toThrow(/nested deeper/);
  });
});
