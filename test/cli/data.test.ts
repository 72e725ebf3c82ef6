// What the command says about data.

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { syncbn } from '../support/cli.ts';
import { folderOf, maskFiles } from '../support/dataFiles.ts';

describe('syncbn data', () => {
  it('reports classes, missing classes, and the order of the samples', async () => {
    const rows = ['a,b,label', '1,7,0', '3,7,0', '5,7,2', '7,7,2'];
    const dir = await folderOf({
      'train.csv': Buffer.from(rows.join('\n')),
      'test.csv': Buffer.from('a,b,label\n1,2,1\n'),
    });
    const { code, events } = await syncbn(['data', dir, '--json']);
    expect(code).toBe(0);
    expect(events[0]).toMatchObject({
      ...{ event: 'data', inputShape: [2], inputType: 'f32', train: 4, test: 1 },
      task: { kind: 'classification', classes: 3 },
      channels: [
        { mean: 4, std: Math.sqrt(5), min: 1, max: 7, isConstant: false },
        { mean: 7, std: 0, min: 7, max: 7, isConstant: true },
      ],
      classes: [
        { label: 0, train: 2, test: 0 },
        { label: 1, train: 0, test: 1 },
        { label: 2, train: 2, test: 0 },
      ],
      missingClasses: [1],
      labelOrder: 'sorted',
      targets: [],
    });
    const { stdout } = await syncbn(['data', dir]);
    expect(stdout).toMatch(/classes without training samples +│ 1: 1 /);
    expect(stdout).toMatch(/constant inputs +│ 1: 1 /);
    expect(stdout).toMatch(/sorted by label/);
    expect(stdout).toContain('Test samples have 1 of them, which a model cannot learn.');
  });

  it('has regression targets in their units', async () => {
    const dir = await folderOf({ 'a.csv': Buffer.from('x,y\n1,10\n2,30\n') });
    const flags = ['--target', 'y', '--regression', '--json'];
    const { events } = await syncbn(['data', join(dir, 'a.csv'), ...flags]);
    expect(events[0]).toMatchObject({
      task: { kind: 'regression' },
      targets: [{ mean: 20, std: 10, min: 10, max: 30 }],
      classes: [],
    });
  });

  it('counts the pixels of masks', async () => {
    const { stdout } = await syncbn(['data', await folderOf(maskFiles(2))]);
    expect(stdout).toMatch(/without a class +│ 2 training, 0 test pixels/);
    expect(stdout).toMatch(/│ 1 +│ 9 +│ 0 +│/);
  });

  it('requires data', async () => {
    const { code, stderr } = await syncbn(['data']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('Try: syncbn data mnist')]);
  });
});
