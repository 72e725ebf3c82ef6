// The named models: their sizes as published and as in torchvision, and what they refuse.

import { describe, expect, it } from 'vitest';
import { buildGraph, type LayerOperation, parametersOf } from '../../src/nn/graph/graph.ts';
import { MODEL_NAMES, type ModelName, modelCard, namedModel } from '../../src/nn/models/models.ts';
import { parseModel } from '../../src/nn/models/parse.ts';
import { describeNetwork, totalsOf } from '../../src/simulate/network.ts';

/** Parameters, and multiply-adds at 224x224 in millions, of torchvision's documentation. */
const PUBLISHED: Partial<Record<ModelName, readonly [parameters: number, millions: number]>> = {
  resnet18: [11_689_512, 1814],
  resnet34: [21_797_672, 3664],
  resnet50: [25_557_032, 4089],
  densenet121: [7_978_856, 2834],
  'mobilenet-v2': [3_504_872, 301],
  'mobilenet-v3-small': [2_542_856, 56.5],
  'efficientnet-b0': [5_288_548, 386],
};

function namesOf(name: ModelName): readonly string[] {
  const { purpose } = modelCard(name);
  const graph = buildGraph(namedModel(name, purpose), purpose.inputShape);
  return graph.operations
    .filter((operation): operation is LayerOperation => operation.op === 'layer')
    .flatMap((layer) => parametersOf(layer, graph).map((entry) => `${layer.path}.${entry.name}`));
}

describe('named models', () => {
  it.each(Object.entries(PUBLISHED))(
    '%s has the published size',
    (name, [parameters, millions]) => {
      const { purpose } = modelCard(name as ModelName);
      const network = describeNetwork(name, namedModel(name, purpose), purpose.inputShape);
      const totals = totalsOf(network);
      expect(totals.parameters).toBe(parameters);
      expect(totals.macsForward / 1e6 / millions).toBeCloseTo(1, 2);
    },
  );

  it.each(MODEL_NAMES)('%s is data, and ends in its classes even for small images', (name) => {
    const inputShape = [32, 32, 3];
    const model = namedModel(name, { inputShape, classes: 7 });
    expect(parseModel(JSON.parse(JSON.stringify(model)))).toEqual(model);
    const { shapes, output } = buildGraph(model, inputShape);
    expect(shapes[output]!.at(-1)).toBe(7);
  });

  it("has torchvision's names", () => {
    expect(namesOf('resnet18').slice(0, 6)).toEqual([
      'conv1.weight',
      'bn1.weight',
      'bn1.bias',
      'layer1.0.conv1.weight',
      'layer1.0.bn1.weight',
      'layer1.0.bn1.bias',
    ]);
    expect(namesOf('resnet50')).toContain('layer2.0.downsample.1.bias');
    expect(namesOf('mobilenet-v2')).toContain('features.2.conv.1.0.weight');
    expect(namesOf('mobilenet-v3-small')).toContain('features.1.block.1.fc2.bias');
    expect(namesOf('efficientnet-b0')).toContain('features.4.2.block.3.1.bias');
    expect(namesOf('densenet121')).toContain('features.denseblock3.denselayer24.conv2.weight');
    expect(namesOf('densenet121').slice(-2)).toEqual(['classifier.weight', 'classifier.bias']);
  });

  it('has the requested width, stem and initial weights', () => {
    const inputShape = [64, 64, 3];
    const widthOf = (width: number) =>
      buildGraph(namedModel('resnet18', { inputShape, classes: 5, width }), inputShape).shapes;
    expect(widthOf(0.25)[1]).toEqual([32, 32, 16]);
    expect(widthOf(1.5)[1]).toEqual([32, 32, 96]);
    const small = namedModel('resnet18', { inputShape, classes: 5, stem: 'cifar' });
    expect(buildGraph(small, inputShape).shapes[1]).toEqual([64, 64, 64]);
    const zeroed = namedModel('resnet50', { inputShape, classes: 5, zeroInitResidual: true });
    expect(JSON.stringify(zeroed).match(/"weightInit":0/g)).toHaveLength(16);
  });

  it('refuses options that it does not have', () => {
    const purpose = { inputShape: [32, 32, 3], classes: 7 };
    expect(() => namedModel('refnet', { ...purpose, width: 2 })).toThrow(
      /width of refnet is not an option of this model. Try: resnet18/,
    );
    expect(() => namedModel('resnet20', { ...purpose, stem: 'cifar' })).toThrow(/stem of resnet20/);
    expect(() => namedModel('resnet18', { ...purpose, width: 0 })).toThrow(/above 0, at most 16/);
    expect(() => namedModel('resnet18', { ...purpose, stem: 'big' as never })).toThrow(/imagenet/);
    expect(() => namedModel('unet', { ...purpose, inputShape: [30, 32, 3] })).toThrow(
      /input of unet: expected images with sides that are multiples of 16.*, got "30x32x3"/,
    );
    expect(() => namedModel('resnet19', purpose)).toThrow(/resnet18, resnet34/);
    expect(() => namedModel('resnet18', { ...purpose, inputShape: [9] })).toThrow(/images, HxWxC/);
  });
});
