import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AT_ONCE_MS } from '../support/atOnce.ts';
import { syncbn } from '../support/cli.ts';

const tiny = ['train', '--data', 'synthetic', '--limit', '256', '--replicas', '8', '--json'];
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Trains to the end and returns the last event. */
async function train(...args: string[]): Promise<Readonly<Record<string, unknown>>> {
  const { code, events, stderr } = await syncbn([...tiny, ...args]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return events.at(-1)!;
}

describe('syncbn train --json', () => {
  it('prints one JSON object per line and ends with the result', async () => {
    const { code, stdout, events } = await syncbn([...tiny, '--epochs', '2']);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(events.length);
    expect(events[0]).toMatchObject({ event: 'start', replicas: 8, globalBatch: 128 });
    expect(events.at(-1)).toEqual({
      event: 'done',
      testAccuracy: expect.any(Number),
      testLoss: expect.any(Number),
      imagesPerSecond: expect.any(Number),
      seconds: expect.any(Number),
      weightsHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('gives the same weights on 1 and 3 workers with uneven batches, augmented', async () => {
    const args = ['--batch', '100', '--shift', '2', '--flip', '--clip-norm', '1'];
    const { weightsHash } = await train(...args, '--workers', '1');
    expect((await train(...args, '--workers', '3')).weightsHash).toBe(weightsHash);
  });

  it('resumes from a checkpoint with the same bits, on other workers', async () => {
    const path = join(folder, 'half.ckpt');
    const whole = await train('--epochs', '4', '--schedule', 'cosine');
    await train('--epochs', '4', '--schedule', 'cosine', '--max-steps', '3', '--checkpoint', path);
    const resumed = await train('--resume', path, '--workers', '3');
    expect(resumed.weightsHash).toBe(whole.weightsHash);
  });

  it('continues from the end of an epoch to more epochs', async () => {
    const path = join(folder, 'one.ckpt');
    const whole = await train('--epochs', '2');
    await train('--epochs', '1', '--checkpoint', path);
    const resumed = await train('--resume', path, '--epochs', '2', '--workers', '1');
    expect(resumed.weightsHash).toBe(whole.weightsHash);
  });

  it('reports all diagnostics of the last snapshot step after each epoch', async () => {
    const { events } = await syncbn([...tiny, '--epochs', '2', '--diagnostics', '1']);
    const kinds = events.map(({ event }) => event).filter((event) => event !== 'progress');
    const perEpoch = ['epoch', 'diagnostics'];
    expect(kinds).toEqual(['start', ...perEpoch, ...perEpoch, 'done']);
    const found = events.filter(({ event }) => event === 'diagnostics');
    expect(found.map(({ step }) => step)).toEqual([1, 3]);
    const layers = found[0]!.layers as readonly Record<string, unknown>[];
    expect(layers[0]).toMatchObject({ path: expect.stringMatching(/batchNorm$/) });
    expect(layers[0]!.worst).toMatchObject({ meanShift: expect.any(Number) });
    expect(layers[0]!.replicas).toHaveLength(8);
  });

  it('reports no diagnostics with --diagnostics 0', async () => {
    const { events } = await syncbn([...tiny, '--diagnostics', '0']);
    expect(events.map(({ event }) => event)).not.toContain('diagnostics');
  });

  it('appends its events to a log', async () => {
    const path = join(folder, 'run.jsonl');
    const done = await train('--log', path);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ ...done, time: expect.any(String) });
  });

  it('stops at SIGTERM after the step, writes the checkpoint and can resume from it', async () => {
    const long = ['--epochs', '12', '--replica-batch', '2', '--model', 'refnet'];
    const path = join(folder, 'stopped.ckpt');
    const { code, stderr, events } = await syncbn(
      [...tiny, ...long, '--checkpoint', path],
      (line, child) => {
        if (line.includes('"event":"epoch"')) child.kill('SIGTERM');
      },
    );
    expect(code).toBe(143);
    expect(stderr).toContain('stopped by SIGTERM');
    expect(stderr).toContain(path);
    const { step } = events.findLast(({ event }) => event === 'checkpoint')!;
    expect(step).toBeLessThan(12 * 16);
    const resumed = await train('--resume', path, '--epochs', '12');
    expect(resumed.weightsHash).toBe((await train(...long)).weightsHash);
  });
});

describe('syncbn train without a terminal', () => {
  it('prints a line for each epoch and a table', async () => {
    const { code, stdout } = await syncbn([...tiny.slice(0, -1), '--epochs', '2']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/epoch 2\/2 \(step 4\): loss \d/);
    expect(stdout).toMatch(/test accuracy .* %/);
    expect(stdout).not.toContain('\u001b');
  });
});

describe('syncbn eval and inspect', () => {
  it('give the accuracy and the hash of the run', async () => {
    const path = join(folder, 'eval.ckpt');
    const done = await train('--checkpoint', path);
    const data = ['--data', 'synthetic', '--limit', '256', '--json'];
    const evaluated = await syncbn(['eval', '--checkpoint', path, ...data]);
    const { testAccuracy, testLoss, weightsHash } = done;
    expect(evaluated.events[0]).toMatchObject({ testAccuracy, testLoss, weightsHash });
    const inspected = await syncbn(['inspect', path, '--json']);
    expect(inspected.events[0]).toMatchObject({ weightsHash, norms: ['batchNorm (sync)'] });
    const shown = await syncbn(['inspect', path]);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain(weightsHash);
    expect(shown.stdout).toMatch(/grains .* \d+ of \d+ samples/);
  });
});

describe('a layer that throws in step 20', () => {
  it('ends the run at once with exit code 1 and names rank, step and layer', async () => {
    const model = join(folder, 'throwing.json');
    const module = new URL('../support/jobs/throwingLayer.mjs', import.meta.url).href;
    const layers = [
      { kind: 'custom', module, options: { replica: 7, step: 20 } },
      { kind: 'flatten' },
      { kind: 'linear', inFeatures: 432, outFeatures: 10 },
    ];
    await writeFile(model, JSON.stringify({ kind: 'sequential', layers }));
    const startMs = performance.now();
    const args = [...tiny, '--model', model, '--allow-modules', '--epochs', '20'];
    const outcome = await syncbn([...args, '--workers', '2']);
    expect(performance.now() - startMs).toBeLessThan(AT_ONCE_MS);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('rank 1, step 20, layer 0.custom: as it was told to');
    expect(outcome.events.at(-1)).toMatchObject({ event: 'error', kind: 'run' });
  });
});
