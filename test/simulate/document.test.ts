import { describe, expect, it } from 'vitest';
import { filesOf } from '../../src/simulate/document.ts';
import { netModel } from '../../src/simulate/nets.ts';
import { describeNetwork } from '../../src/simulate/network.ts';
import { costsByBatch, predictAll } from '../../src/simulate/predict.ts';
import { checkReports, presetJob } from '../../src/simulate/reports.ts';
import type { Simulation } from '../../src/simulate/simulation.ts';

const network = describeNetwork('refnet', netModel('refnet'), [28, 28, 1]);
const job = presetJob('v100', network, 32);
const simulation: Simulation = {
  job,
  share: 0.05,
  predictions: predictAll(job, [1, 8], 0.05),
  batchCosts: costsByBatch(job, 8),
  machine: undefined,
  numerics: undefined,
  reports: checkReports(),
};
const files = new Map(filesOf(simulation, 'syncbn simulate').map(({ name, text }) => [name, text]));

describe('the files of a simulation', () => {
  it('have a row for each number of devices and norm as CSV', () => {
    const [header, ...rows] = files.get('results.csv')!.trimEnd().split('\n');
    expect(header).toMatch(/^devices,norm,step_ms,compute_ms,statistics_ms,gradients_ms/);
    expect(rows.map((row) => row.split(',').slice(0, 2).join(' '))).toEqual([
      '1 BN',
      '1 SyncBN',
      '1 GroupNorm',
      '8 BN',
      '8 SyncBN',
      '8 GroupNorm',
    ]);
    for (const row of rows) {
      const [, , step, ...parts] = row.split(',').map(Number);
      expect(parts[0]! + parts[1]! + parts[2]!).toBeCloseTo(step!, 2);
    }
  });

  it('have one event per line as JSON, each with its type', () => {
    const lines = files.get('results.jsonl')!.trimEnd().split('\n');
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events[0]).toMatchObject({ event: 'job', network: { name: 'refnet', normLayers: 3 } });
    const predictions = events.filter(({ event }) => event === 'prediction');
    expect(predictions.map(({ kind, devices }) => [kind, devices])).toEqual([
      ['simulated', 1],
      ['simulated', 8],
    ]);
    expect(events.filter(({ event }) => event === 'report')).toHaveLength(9);
  });

  it('have two plots, and a page that names its command and its sources', () => {
    expect(files.get('steps.svg')).toMatch(/^<svg/);
    expect(files.get('batches.svg')).toMatch(/^<svg/);
    const page = files.get('report.html')!;
    for (const text of ['syncbn simulate', 'V100 SXM2 data sheet', 'horovod/horovod issue 2450']) {
      expect(page).toContain(text);
    }
  });
});
