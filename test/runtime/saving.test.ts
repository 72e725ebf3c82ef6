import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { openCheckpoint, readCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';

const data = synthetic({ train: 64, test: 8, shape: [4, 4, 1], classes: 4, seed: 3 });
const model = sequential([flatten(), linear(16, 8), batchNorm(8, { sync: 'all' }), linear(8, 4)]);
const options = {
  model,
  data,
  optimizer: sgd({ lr: 0.1, momentum: 0.9 }),
  replicas: 2,
  globalBatch: 8,
};

const folder = mkdtempSync(join(tmpdir(), 'syncbn-saving-'));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
let path: string;
beforeEach(() => {
  path = join(folder, `${count++}.ckpt`);
});

let trainer: Trainer;
beforeAll(async () => {
  trainer = await Trainer.start({ ...options, workers: 2, epochs: 100 });
});
afterAll(() => trainer.close());

/** Trains one epoch more. */
async function train(): Promise<void> {
  const epochs = trainer.step / trainer.stepsPerEpoch + 1;
  for await (const _ of trainer.fit({ epochs }));
}

describe('a save', () => {
  it('holds the state when it was requested, whatever is trained meanwhile', async () => {
    await train();
    const { step } = trainer;
    const hash = trainer.weightsHash();
    const saved = trainer.save(path);
    await train();
    await saved;
    expect(trainer.weightsHash()).not.toBe(hash);
    const resumed = await Trainer.resume(path, { data, workers: 1 });
    expect([resumed.step, resumed.weightsHash()]).toEqual([step, hash]);
    for await (const _ of resumed.fit({ epochs: trainer.step / trainer.stepsPerEpoch }));
    expect(resumed.weightsHash()).toBe(trainer.weightsHash());
    await resumed.close();
  });

  it('waits for earlier saves, and close awaits all of them', async () => {
    const other = await Trainer.start({ ...options, workers: 1 });
    const saves = [];
    for (let epochs = 1; epochs <= 3; epochs++) {
      for await (const _ of other.fit({ epochs: 3, maxSteps: epochs * other.stepsPerEpoch }));
      saves.push(other.save(path));
    }
    await other.close();
    expect((await openCheckpoint(path)).head.counters.step).toBe(other.step);
    await Promise.all(saves);
  });

  it('records its run and what wrote it', async () => {
    await trainer.save(path);
    const { runId, writtenBy } = await readCheckpoint(path);
    expect(runId).toMatch(/^[0-9a-f-]{36}$/);
    expect(writtenBy).toMatchObject({
      kernels: expect.stringMatching(/^(fast|strict) [0-9a-f]{16}$/),
      node: process.versions.node,
    });
    const resumed = await Trainer.resume(path, { data, workers: 1 });
    await resumed.save(path);
    expect((await readCheckpoint(path)).runId).toBe(runId);
    await resumed.close();
  });

  it('replaces no file of another run or other content, unless requested', async () => {
    const other = await Trainer.start({ ...options, workers: 1, seed: 9 });
    await other.save(path);
    const before = readFileSync(path);
    await expect(trainer.save(path)).rejects.toThrow(/is the checkpoint of another run/);
    expect(readFileSync(path)).toEqual(before);
    const text = join(folder, 'notes.txt');
    writeFileSync(text, 'notes');
    await expect(trainer.save(text)).rejects.toThrow(/is a file that is not a checkpoint/);
    expect(readFileSync(text, 'utf8')).toBe('notes');
    await trainer.save(path, { overwrite: true });
    expect((await readCheckpoint(path)).counters.step).toBe(trainer.step);
    await other.close();
  });

  it('keeps the requested number of older checkpoints next to the new one', async () => {
    const steps: number[] = [];
    for (let i = 0; i < 4; i++) {
      await train();
      await trainer.save(path, { keep: 3 });
      steps.push(trainer.step);
    }
    const stem = path.replace(/^.*\//, '').replace('.ckpt', '');
    const beside = readdirSync(folder).filter((name) => name.startsWith(`${stem}.step-`));
    expect(beside.sort()).toEqual([
      `${stem}.step-${steps[1]}.ckpt`,
      `${stem}.step-${steps[2]}.ckpt`,
    ]);
    expect((await readCheckpoint(path)).counters.step).toBe(steps[3]);
    const older = await readCheckpoint(join(folder, `${stem}.step-${steps[1]}.ckpt`));
    expect(older.counters.step).toBe(steps[1]);
  });

  it('does not remove a nearby file that only has a similar name', async () => {
    const foreign = path.replace('.ckpt', '.step-1.ckpt');
    writeFileSync(foreign, 'mine');
    for (let i = 0; i < 2; i++) {
      await train();
      await trainer.save(path, { keep: 2 });
    }
    expect(readFileSync(foreign, 'utf8')).toBe('mine');
  });
});

describe('the state between two steps', () => {
  it('is neither shown nor saved while steps run', async () => {
    const epochs = trainer.step / trainer.stepsPerEpoch + 1;
    const fit = trainer.fit({ epochs });
    const first = fit.next();
    // By then steps run, and no message of a worker can have come: the epoch is not over.
    for (let turn = 0; turn < 50; turn++) await null;
    const during = [() => trainer.weights(), () => trainer.weightsHash()];
    for (const call of during) expect(call).toThrow(/while fit\(\) trains/);
    await expect(trainer.save(path)).rejects.toThrow(UsageError);
    await first;
    await fit.return();
    expect(trainer.weightsHash()).toHaveLength(64);
  });
});
