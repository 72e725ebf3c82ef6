// What `syncbn simulate` shows, writes and refuses; test/simulate checks whether it is right.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { syncbn } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-simulate-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('syncbn simulate', () => {
  it('shows times from 1 to 1024 devices and says that they are simulated', async () => {
    const { stdout, stderr, code } = await syncbn(['simulate', '--reports']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /resnet50, 224x224x3: 4\.09 GMAC forward, 25557032 parameters, 53 norms/,
    );
    expect(stdout).toMatch(/Simulated: a step in ms/);
    for (let devices = 1; devices <= 1024; devices *= 2) {
      expect(stdout).toMatch(new RegExp(`│ ${devices} +│ [\\d.]+ +│ [\\d.]+ +│ [\\d.]+ +│ \\+`));
    }
    expect(stdout).toMatch(/forward, 4 v100, batch 8 +│ x3\.75 +│ x[\d.]+ +│/);
    const tables = stdout.split('\n').filter((line) => /[│┌├└]/.test(line));
    expect(Math.max(...tables.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('actually trains the replicas if requested, and writes a folder', async () => {
    const out = join(folder, 'new', 'run');
    const small = ['--net', 'refnet', '--input', '8x8x1', '--replica-batch', '4'];
    const real = ['--train-steps', '2', '--replicas', '4'];
    const args = ['simulate', ...small, ...real, '--devices', '4,2', '--json', '--out', out];
    const { events, code } = await syncbn(args);
    expect(code).toBe(0);
    expect(events[0]).toMatchObject({ event: 'job', network: { inputShape: [8, 8, 1] } });
    const predicted = events.filter(({ event }) => event === 'prediction');
    expect(predicted.map(({ devices, kind }) => [devices, kind])).toEqual([
      [2, 'simulated'],
      [4, 'simulated'],
    ]);
    const numerics = events.find(({ event }) => event === 'numerics');
    expect(numerics).toMatchObject({ kind: 'real', replicas: 4, steps: 2 });
    const names = ['batches.svg', 'report.html', 'results.csv', 'results.jsonl', 'steps.svg'];
    expect(readdirSync(out).sort()).toEqual(names);
    const written = readFileSync(join(out, 'results.jsonl'), 'utf8').trimEnd().split('\n');
    expect(written.map((line) => JSON.parse(line))).toEqual(events);
  });

  it('measures this machine and states the error of each prediction', async () => {
    const size = ['--input', '16x16x1', '--replica-batch', '8', '--rounds', '3'];
    const args = ['simulate', '--measure', '--net', 'refnet', ...size, '--devices', '2', '--json'];
    const { events, code, stderr } = await syncbn(args);
    expect([code, stderr]).toEqual([0, '']);
    expect(events[0]).toMatchObject({ device: { name: 'measured' } });
    const checks = events.filter(({ event }) => event === 'check');
    expect(checks).toHaveLength(9);
    for (const check of checks) {
      const { predicted, measured, error } = check as Record<string, number>;
      expect(predicted).toBeGreaterThan(0);
      expect(measured).toBeGreaterThan(0);
      expect(error).toBeCloseTo(predicted! / measured! - 1, 12);
    }
  });

  it('predicts hosts from local computation and a measured link', async () => {
    const link = join(folder, 'doctor.json');
    const times = [64, 65_536].map((sizeBytes) => ({ sizeBytes, mean: 100 + sizeBytes / 10 }));
    const processes = [{ host: 'a' }, { host: 'b' }];
    writeFileSync(link, `${JSON.stringify({ event: 'mpi', processes, times })}\n`);
    const out = join(folder, 'hosts');
    const size = ['--net', 'refnet', '--input', '16x16x1', '--batch', '16', '--rounds', '2'];
    const hosts = ['--hosts', '4,2', '--workers', '1', '--link', link];
    const args = ['simulate', '--measure', ...hosts, ...size, '--json', '--out', out];
    const { events, code, stderr } = await syncbn(args);
    expect([code, stderr]).toEqual([0, '']);
    expect(events[0]).toMatchObject({ event: 'job', globalBatch: 16, link: { name: link } });
    expect(events.filter(({ event }) => event === 'fit')).toHaveLength(2);
    const predicted = events.filter(({ event }) => event === 'prediction');
    expect(predicted).toMatchObject([
      { hosts: 1, samples: 16, exchanges: 0 },
      { hosts: 2, samples: 8, exchanges: 8 },
      { hosts: 4, samples: 4, exchanges: 8 },
    ]);
    for (const { ms, computeMs, statisticsMs, gradientsMs } of predicted as Record<
      string,
      number
    >[]) {
      expect(computeMs! + statisticsMs! + gradientsMs!).toBeCloseTo(ms!, 9);
    }
    expect(readdirSync(out).sort()).toEqual([
      ...['report.html', 'results.csv', 'results.jsonl', 'steps.svg'],
    ]);
  });

  it.each([
    [
      ['--hosts', '99', '--measure', '--batch', '16'],
      /expected at most one for each of the 8 grains.*99 in 99 processes"/,
    ],
    [['--device', 'v10'], /--device: expected v100, .*, got "v10". Try: --device v100/],
    [['--net', 'resnet5'], /--net: expected .*, got "resnet5".*Try: --net resnet50/],
    [['--devices', '0'], /--devices: expected a whole number from 1.*, got 0/],
    [['--intra', 'nvlink'], /--intra: expected .*, got "nvlink".*Try: --intra nvlink2/],
    [['--out', 'package.json/x'], /--out package\.json\/x: expected a folder.*, got "E[A-Z]+"/],
    [['--replicas', '4'], /--replicas requires --train-steps/],
    [['--measure', '--replica-batch', '3'], /expected an even number.*, got 3/],
    [['--step-ms', '2'], /--step-ms: expected more than the 20\.8 ms.*, got 2/],
    [['--input', '7'], /input of resnet50: expected images.*, got "7"/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await syncbn(['simulate', ...args]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(2);
  });
});
