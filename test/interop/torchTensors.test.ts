import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type LayerSpec, nn, readWeights } from '../../src/index.ts';
import { writeSafetensors } from '../../src/interop/safetensors.ts';
import { torchTensors } from '../../src/interop/torchTensors.ts';
import { loadGoldenInterop } from '../support/golden/load.ts';
import { runLayer, worstRelative } from '../support/layers/harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-torch-tensors-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** As test/support/golden/interop_runs.py has them. */
const nets: Readonly<Record<string, LayerSpec>> = {
  flattened: nn.sequential([
    nn.conv2d(2, 4, { kernel: 3, groups: 2, padding: 1 }),
    nn.layerNorm([5, 4, 4]),
    nn.prelu({ numParameters: 4 }),
    nn.flatten(),
    nn.batchNorm(80),
    nn.linear(80, 3),
  ]),
  transposed: nn.sequential([
    nn.convTranspose2d(2, 4, { kernel: [2, 3], stride: 2, groups: 2, bias: false }),
    nn.batchNorm(4),
    nn.maxPool({ kernel: 2 }),
    nn.flatten(),
    nn.linear(80, 3, { bias: false }),
  ]),
  joined: nn.graph((x) => {
    const a = x.apply('a', nn.conv2d(2, 3, { kernel: 2 })).apply(nn.flatten());
    const b = x.apply('b', nn.conv2d(2, 2, { kernel: 3 })).apply(nn.flatten());
    return nn.concat([a, b]).apply('fc', nn.linear(48, 3));
  }),
  convolved: nn.sequential([
    nn.conv1d(2, 3, { kernel: 3 }),
    nn.batchNorm(3),
    nn.flatten(),
    nn.linear(12, 2),
  ]),
  gru: nn.sequential([nn.gru(2, 3, { returnSequence: true }), nn.flatten(), nn.linear(18, 2)]),
  lstm: nn.sequential([nn.rnn(2, 4, { returnSequence: true }), nn.lstm(4, 3), nn.linear(3, 2)]),
};

describe('the weights of a PyTorch net', () => {
  it.each(loadGoldenInterop().runs)('compute the same here: $name', async (run) => {
    const model = nets[run.name]!;
    const file = join(folder, `${run.name}.safetensors`);
    const tensors = run.tensors.map(({ name, shape, data }) =>
      name.endsWith('num_batches_tracked')
        ? { name, shape, type: 'I64' as const, values: BigInt64Array.of(BigInt(data[0]!)) }
        : { name, shape, type: 'F32' as const, values: data },
    );
    await writeSafetensors(file, 'weights', { tensors, metadata: {} });
    const weights = await readWeights(file, { model, inputShape: run.inputShape });
    const prefix = model.kind === 'graph' ? 'graph.' : '';
    const valuesOf = (isBuffer: boolean) =>
      Object.fromEntries(
        [...weights]
          .filter(([name]) => /running|numBatches/.test(name) === isBuffer)
          .map(([name, { values }]) => [`${prefix}${name}`, values]),
      );
    const { y } = runLayer({
      spec: model,
      inputShape: run.inputShape,
      shards: [2],
      x: Float32Array.from(run.input),
      parameters: valuesOf(false),
      buffers: valuesOf(true),
      training: false,
    });
    expect(weights.size).toBe(run.tensors.length);
    expect(worstRelative(y, run.output)).toBeLessThan(2e-6);
  });
});

describe('names of PyTorch', () => {
  const namesOf = (model: LayerSpec): readonly string[] =>
    torchTensors(model, [4, 4, 2]).map(({ torchName }) => torchName);
  const linear = nn.linear(32, 32, { bias: false });

  it('omit the kinds of layers, for any model', () => {
    expect(namesOf(linear)).toEqual(['weight']);
    expect(namesOf(nn.residual(nn.conv2d(2, 2, { kernel: 1 })))).toEqual([
      'body.weight',
      'body.bias',
    ]);
    const inner = nn.graph((x) => x.apply('linear', linear).apply(nn.prelu()));
    expect(namesOf(nn.sequential([nn.sequential([nn.relu(), inner])]))).toEqual([
      '0.1.linear.weight',
      '0.1.1.weight',
    ]);
  });

  it('are refused if two tensors would share one', () => {
    const model = nn.graph((x) =>
      x.apply('0', nn.sequential([nn.flatten(), linear])).apply('0.1', linear),
    );
    expect(() => namesOf(model)).toThrow(
      /0\.1\.linear\.weight and 0\.1\.weight would both be 0\.1/,
    );
  });

  it.each<[string, LayerSpec]>([
    ['slice', nn.slice({ channels: [0, 8] })],
    ['groupNorm', nn.groupNorm(2, 32)],
    ['reshape', nn.reshape([16, 2])],
  ])('are refused if the order after a flatten is lost by %s', (kind, layer) => {
    const lost = new RegExp(`1.${kind}.*from a flatten.*no counterpart in PyTorch.*reshape`);
    expect(() => namesOf(nn.sequential([nn.flatten(), layer]))).toThrow(lost);
    expect(namesOf(nn.sequential([nn.reshape([32]), layer]))).not.toContain('0.weight');
  });

  it('reorder the layers that a flatten feeds, and nothing after them', () => {
    const model = nn.sequential([nn.flatten(), nn.relu(), linear, linear]);
    const [first, second] = torchTensors(model, [4, 4, 2]);
    const inverse = (places: Int32Array) => places.slice(0, 32 * 32).filter((_, i) => i % 32 === 0);
    // Pixel by pixel here, channel by channel there.
    expect([...inverse(first!.places!)].slice(0, 4)).toEqual([0, 16, 1, 17]);
    expect([...inverse(second!.places!)].slice(0, 4)).toEqual([0, 1, 2, 3]);
  });
});
