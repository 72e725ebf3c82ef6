// What the command says about models: by name, layer by layer, and as JSON.

import { describe, expect, it } from 'vitest';
import { MODEL_DESCRIPTIONS, MODEL_PURPOSES } from '../../src/nn/models/descriptions.ts';
import { MODEL_NAMES } from '../../src/nn/models/models.ts';
import { syncbn } from '../support/cli.ts';

describe('syncbn models', () => {
  it('has a line for each, with its default input and parameters', async () => {
    const { code, events } = await syncbn(['models', '--json']);
    expect(code).toBe(0);
    const { models } = events[0] as { models: { name: keyof typeof MODEL_PURPOSES }[] };
    expect(models.map(({ name }) => name)).toEqual(MODEL_NAMES);
    for (const model of models) {
      const description = MODEL_DESCRIPTIONS[model.name];
      expect(model).toMatchObject({ description, ...MODEL_PURPOSES[model.name] });
      expect(description.length).toBeLessThanOrEqual(60);
    }
    // 20 layers, 16 to 64 channels: 272,474 is what the CIFAR net of He et al. has with projections.
    expect(models).toContainEqual(
      expect.objectContaining({ name: 'resnet20', parameters: 272_474 }),
    );
  });

  it('are a table that fits 80 columns', async () => {
    const { stdout } = await syncbn(['models']);
    for (const name of MODEL_NAMES) expect(stdout).toContain(`│ ${name} `);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});
