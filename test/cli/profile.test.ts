import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProfileEvent } from '../../src/cli/output/events.ts';
import { profileTables } from '../../src/cli/output/profileTable.ts';
import { type TraceEvent, traceEvents } from '../../src/cli/output/traceFile.ts';
import type { ProfileLayer } from '../../src/observe/profileReport.ts';
import { syncbn } from '../support/cli.ts';

const tiny = ['train', '--data', 'synthetic', '--limit', '256', '--model', 'refnet'];
const LAYERS = ['0.conv2d', '1.batchNorm', '3.conv2d', '9.globalAvgPool', '10.linear'];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-profile-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Fails unless any two events of a track are disjoint or nested. */
function expectNested(events: readonly TraceEvent[]): void {
  const open: { readonly name: string; readonly end: number }[] = [];
  const ordered = [...events].sort((a, b) => a.ts! - b.ts! || b.dur! - a.dur!);
  for (const { name, ts, dur } of ordered) {
    // Values that are rounded to nanoseconds do not add up exactly.
    while (open.length > 0 && open.at(-1)!.end <= ts! + 1e-4) open.pop();
    const around = open.at(-1);
    if (around !== undefined && ts! + dur! > around.end + 1e-4) {
      throw new Error(`${name} leaves ${around.name}`);
    }
    open.push({ name, end: ts! + dur! });
  }
}

describe('syncbn train', () => {
  it('shows with --profile where the time goes, and does not change the weights', async () => {
    const plain = await syncbn([...tiny, '--workers', '2', '--json']);
    const { code, stdout, stderr } = await syncbn([...tiny, '--workers', '2', '--profile']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /where a step's time goes, in ms: \d+\.\d{3}, mean of 2 steps on 2 workers\n/,
    );
    expect(stdout).toMatch(/^the first step ended \d+ ms after the process began$/m);
    expect(stdout).toMatch(/│ phase +│ work +│ waiting +│ share +│ busiest worker +│/);
    for (const layer of LAYERS) expect(stdout).toContain(`│ ${layer} `);
    const hash = plain.events.at(-1)!.weightsHash as string;
    expect(stdout).toContain(`│ ${hash.slice(0, 16)} │`);
    expect(plain.events.map(({ event }) => event)).not.toContain('profile');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('writes with --trace a track of nested events for each worker', async () => {
    const path = join(folder, 'trace.json');
    const { events } = await syncbn([...tiny, '--workers', '2', '--json', '--trace', path]);
    expect(events.at(-1)).toEqual({ event: 'trace', path, steps: 2 });
    const file = JSON.parse(readFileSync(path, 'utf8')) as { traceEvents: TraceEvent[] };
    const named = file.traceEvents.filter(({ name }) => name === 'thread_name');
    expect(named.map(({ args }) => args!.name)).toEqual(['worker 0', 'worker 1']);
    for (const tid of [0, 1]) {
      const track = file.traceEvents.filter((event) => event.ph === 'X' && event.tid === tid);
      const names = new Set(track.map(({ name }) => name));
      const phases = ['load', 'forward', 'loss', 'backward', 'update'];
      for (const name of ['step 0', 'step 1', ...phases, ...LAYERS]) expect(names).toContain(name);
      const waits = track.filter(({ name }) => name === 'waiting');
      // Norms forward and backward, gradients, weights; the order of the epoch once.
      expect(waits).toHaveLength(2 * (3 + 3 + 2) + 1);
      for (const { ts, dur } of track) {
        expect(ts).toBeGreaterThanOrEqual(0);
        expect(dur).toBeGreaterThanOrEqual(0);
      }
      expectNested(track);
    }
  });

  it('reports the profile as an event, and refuses a trace that cannot be written', async () => {
    const told = await syncbn([...tiny, '--workers', '1', '--json', '--profile']);
    const event = told.events.find(({ event }) => event === 'profile') as unknown as ProfileEvent;
    expect(event).toMatchObject({ steps: 2, workers: [{ rank: 0 }] });
    expect(event.layers.map(({ path }) => path)).toEqual(expect.arrayContaining(LAYERS));
    const refused = await syncbn([...tiny, '--trace', join(folder, 'missing', 'trace.json')]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('--trace');
  });
});

describe('the check of nesting', () => {
  it('finds events that overlap', () => {
    const span = { rank: 0, step: 0, phase: 'forward', isWait: false } as const;
    const events = traceEvents([
      { ...span, path: 'a', fromMs: 0, toMs: 2 },
      { ...span, path: 'b', fromMs: 1, toMs: 3 },
    ]).filter(({ ph }) => ph === 'X');
    expect(() => expectNested(events)).toThrow('b leaves a');
  });
});

describe('the table of layers', () => {
  it('shows the most expensive ones in model order, and the others as one', () => {
    const layers = Array.from({ length: 40 }, (_, i): ProfileLayer => {
      const ms = i % 2 === 0 ? 1 : 3;
      const times = { workMs: ms, waitMs: 0, share: ms / 80, busiest: { rank: 0, workMs: ms } };
      return { path: `${i}.conv2d`, forwardMs: ms, backwardMs: 0, updateMs: 0, ...times };
    });
    const workers = [{ rank: 0, workMs: 80, waitMs: 0 }];
    const profile: ProfileEvent = {
      event: 'profile',
      steps: 1,
      stepMs: 80,
      firstStepMs: 431,
      phases: [],
      layers,
      workers,
    };
    const rows = profileTables(profile).layers;
    expect(rows).toHaveLength(24);
    const places = rows.slice(0, -1).map(({ layer }) => Number.parseInt(layer!, 10));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places.filter((place) => place % 2 === 1)).toHaveLength(20);
    expect(rows.at(-1)).toMatchObject({ layer: '17 others', forward: '17.000' });
  });
});
