import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { describeDataset } from '../../src/data/identity.ts';
import { scenes } from '../../src/data/named/scenes.ts';

const SIDE = 8;
const AREA = SIDE * SIDE;

/** Two objects of each class: a frame of class 0, 1 or 2 in a byte of its own, ink to the edge of
 * the image; those of the test split are brighter by 50. */
function objects(): Dataset {
  const splitOf = (added: number) => ({
    count: 6,
    targets: Int32Array.from({ length: 6 }, (_, i) => i % 3),
    inputs: Uint8Array.from({ length: 6 * AREA }, (_, i) => {
      const label = Math.floor(i / AREA) % 3;
      const [y, x] = [Math.floor((i % AREA) / SIDE), i % SIDE];
      const isFrame = Math.min(y, x, SIDE - 1 - y, SIDE - 1 - x) === 0;
      return isFrame ? 100 + 10 * label + added : 20;
    }),
  });
  return {
    name: 'frames',
    inputShape: [SIDE, SIDE, 1],
    inputType: 'u8',
    task: { kind: 'classification', classes: 3 },
    mean: [0.5],
    std: [1],
    train: splitOf(0),
    test: splitOf(50),
  };
}

const from = objects();
const common = { train: 20, test: 4, size: 20, objects: 3, from };

describe('scenes', () => {
  it('have the class of the ink + 1 in each pixel; train and test objects differ', async () => {
    const data = await scenes({ ...common, scraps: 0, noise: 0 });
    expect(data).toMatchObject({
      inputShape: [20, 20, 1],
      task: { kind: 'segmentation', classes: 4, targetShape: [20, 20] },
    });
    for (const [split, added] of [
      [data.train, 0],
      [data.test, 50],
    ] as const) {
      for (const [at, label] of split.targets.entries()) {
        const value = split.inputs[at]!;
        if (label === 0) expect([0, 20]).toContain(value);
        else expect(value).toBe(100 + 10 * (label - 1) + added);
      }
      for (let scene = 0; scene < split.count; scene++) {
        const mask = split.targets.subarray(scene * 400, (scene + 1) * 400);
        expect(new Set(mask).size).toBeGreaterThan(2);
      }
    }
  });

  it('have the class of all pixels from the given ink on', async () => {
    const { train } = await scenes({ ...common, scraps: 0, noise: 0, ink: 20 });
    for (const [at, label] of train.targets.entries()) {
      expect(label > 0).toBe(train.inputs[at]! >= 20);
    }
  });

  it('have scraps and noise that are background', async () => {
    const plain = await scenes({ ...common, scraps: 0, noise: 0 });
    const full = await scenes({ ...common, objects: 1, scraps: 6, noise: 9 });
    const brightest = (data: Dataset): number =>
      Math.max(...[...data.train.inputs].filter((_, at) => data.train.targets[at] === 0));
    expect(brightest(plain)).toBe(20);
    expect(brightest(full)).toBeGreaterThan(100);
    expect(new Set(full.train.inputs).size).toBeGreaterThan(30);
  });

  it('have the same bits everywhere, for any number of scenes', async () => {
    const data = await scenes({ ...common, seed: 3 });
    expect(describeDataset(data).contentHash).toBe('65523530db1287ef7dce81de58cea849');
    const fewer = await scenes({ ...common, seed: 3, train: 2, test: 1 });
    expect(fewer.train.inputs).toEqual(data.train.inputs.subarray(0, 800));
    expect(fewer.test.targets).toEqual(data.test.targets.subarray(0, 400));
    const other = await scenes({ ...common, seed: 4 });
    expect(other.train.inputs).not.toEqual(data.train.inputs);
  });

  it('reuse a class once each class has an object', async () => {
    const two = { ...common, train: 1, test: 0, noise: 0, scraps: 0, size: 200, objects: 6 };
    const { train } = await scenes(two);
    const counts = [1, 2, 3].map((label) => train.targets.filter((one) => one === label).length);
    for (const count of counts) expect(count).toBeGreaterThan(28);
  });

  it.each([
    [
      { from: { ...from, inputShape: [AREA, 1, 1] } },
      /size of scenes: expected .*at least 64.*, got 20/,
    ],
    [
      { from: { ...from, inputShape: [4, 8, 2] } },
      /^objects of frames for scenes.*"u8 4x8x2"|mean/,
    ],
    [{ size: 7 }, /^size of scenes: expected .*at least 8.*, got 7/],
    [{ train: 1e6 }, /^pixels of scenes: expected .*, got 400001600/],
    [{ noise: 256 }, /noise/],
    [{ form: from }, /form/],
  ])('refuse %o', async (change, message) => {
    await expect(scenes({ ...common, ...change } as object)).rejects.toThrow(message);
  });
});
