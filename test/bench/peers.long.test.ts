// Every installed peer once. SYNCBN_TORCH names interpreters with PyTorch as --torch does,
// SYNCBN_JS_PEERS a folder with the JavaScript libraries as --js-peers does.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NETS, TRAIN_NETS } from '../../bench/nets.ts';
import { findOpenMpi } from '../../bench/openmpi.ts';
import { findJsPeers, JS_PEERS, jsPeers } from '../../bench/peers.ts';
import { findTorches, pythonsOf, type Torch } from '../../bench/torch.ts';
import { startTorchLayers } from '../../bench/torchLayers.ts';
import { MODEL_NAMES } from '../../src/nn/models/models.ts';
import { bench, linesOf, type Output } from '../support/benchCommand.ts';

const pythons = pythonsOf(process.env.SYNCBN_TORCH);
const torches = await findTorches(pythons);
const LARGE_NETS = TRAIN_NETS.slice(NETS.length).filter((net) =>
  (MODEL_NAMES as readonly string[]).includes(net),
);
const hasMpi = 'version' in (await findOpenMpi());
const jsFolder = process.env.SYNCBN_JS_PEERS;
const jsFound = jsFolder === undefined ? [] : findJsPeers(jsFolder).found;

/** The lines of a run in which no peer failed. */
function linesOfAll(output: Output): Record<string, unknown>[] {
  expect(output.stderr).not.toMatch(/Continuing without|Error:/);
  expect(output.code).toBe(0);
  return linesOf(output);
}

describe.skipIf(torches.length === 0)('PyTorch', () => {
  it('trains next to syncbn with every norm, and each line names its PyTorch', async () => {
    const setting = ['--net', 'refnet', '--replica-batch', '2', '--seconds', '0.2', '--json'];
    const lines = linesOfAll(await bench('train', ...setting, '--torch', pythons.join()));
    const builds = torches.map(({ build }) => build);
    for (const norm of ['sync', 'local', 'group']) {
      const peers = lines.filter((line) => line.norm === norm && line.peer === 'torch-ddp');
      expect(peers.map(({ torch }) => torch)).toEqual(builds);
      expect(peers.filter(({ isFastest }) => isFastest).length).toBe(builds.length > 1 ? 1 : 0);
      for (const { format } of peers) expect(['default', 'channels_last']).toContain(format);
    }
  });

  it.skipIf(!torches.some(({ build }) => build.torchvision !== undefined)).each(LARGE_NETS)(
    'trains %s next to syncbn',
    async (net) => {
      const setting = ['--net', net, '--norm', 'sync', '--replica-batch', '2', '--seconds', '0.1'];
      const flags = ['--format', 'default', '--json', '--torch', pythons.join()];
      const lines = linesOf(await bench('train', ...setting, ...flags));
      expect(lines.map(({ peer }) => peer).slice(0, 2)).toEqual([null, 'torch-ddp']);
    },
  );

  it.each(torches)(
    'of $python normalizes, reports variances and convolves',
    async ({ python }: Torch) => {
      const folder = mkdtempSync(join(tmpdir(), 'syncbn-peers-'));
      const torch = startTorchLayers(python);
      try {
        const times = await torch.time([2, 8, 4, 4], 0.1);
        expect(times!.default.p50).toBeGreaterThan(0);
        expect(times!.channelsLast.p50).toBeGreaterThan(0);
        const file = join(folder, 'x.f32');
        writeFileSync(file, new Float32Array([1, 10, 2, 10, 3, 10]));
        expect(await torch.variance(file, 2)).toEqual({ variance: [1, 0] });
        const names = ['x', 'weight', 'dy', 'y', 'dx', 'dweight'] as const;
        const files = Object.fromEntries(names.map((name) => [name, join(folder, `${name}.f32`)]));
        const paths = files as Record<(typeof names)[number], string>;
        // One pixel: only the middle tap meets it, and has [[1, 2], [3, 4]].
        const weight = new Float32Array(9 * 4);
        weight.set([1, 2, 3, 4], 4 * 4);
        writeFileSync(paths.x, new Float32Array([5, 6]));
        writeFileSync(paths.weight, weight);
        writeFileSync(paths.dy, new Float32Array([1, 10]));
        const shape = [1, 1, 1, 2];
        expect(await torch.convolve({ ...paths, shape, outChannels: 2 })).toEqual({
          written: true,
        });
        const read = (path: string) => [
          ...new Float32Array(Uint8Array.from(readFileSync(path)).buffer),
        ];
        expect(read(paths.y)).toEqual([23, 34]);
        expect(read(paths.dx)).toEqual([21, 43]);
        expect(read(paths.dweight).slice(16, 20)).toEqual([5, 50, 6, 60]);
      } finally {
        await torch.close();
        rmSync(folder, { recursive: true });
      }
    },
  );

  it('that does not start is reported and skipped, and the benchmark succeeds', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'syncbn-peers-'));
    try {
      // Identifies itself, and trains nothing.
      const python = join(folder, 'python');
      const text = `#!/bin/sh\ncase $1 in *torch_build.py) exec ${pythons[0]} "$1";; esac\n`;
      writeFileSync(python, `${text}echo "no memory" >&2; exit 1\n`, { mode: 0o755 });
      const flags = ['--seconds', '0.1', '--json', '--torch', python];
      for (const command of [
        ['train', '--net', 'refnet', '--norm', 'sync', '--replica-batch', '2,4'],
        ['all-reduce', '--ranks', '2', '--bytes', '8'],
        ['norm'],
      ]) {
        const output = await bench(...command, ...flags);
        expect(output).toMatchObject({ code: 0 });
        expect(output.stderr.match(/failed: no memory\nContinuing without/g)).toHaveLength(1);
        expect(linesOf(output).length).toBeGreaterThan(1);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe.skipIf(!hasMpi && torches.length === 0)('gloo and Open MPI', () => {
  const found = torches.length === 0 ? [process.execPath] : torches.map(({ python }) => python);

  it.each(found)('run an all-reduce and a barrier, with %s', async (python) => {
    const flags = ['--ranks', '2', '--seconds', '0.05', '--json', '--torch', python];
    const reduced = linesOfAll(await bench('all-reduce', '--bytes', '8,1024', ...flags));
    const waited = linesOfAll(await bench('barrier', ...flags));
    for (const [name, is] of [
      ['openmpi', hasMpi] as const,
      ['gloo', torches.length > 0] as const,
    ]) {
      expect(reduced.filter(({ peer }) => peer === name)).toHaveLength(is ? 4 : 0);
      expect(waited.filter(({ peer }) => peer === name)).toHaveLength(is ? 1 : 0);
    }
  });
});

describe.skipIf(!hasMpi)('Open MPI', () => {
  it('starts a process of this library for each worker', async () => {
    const setting = ['--net', 'refnet', '--norm', 'sync', '--replica-batch', '2'];
    const flags = ['--seconds', '0.2', '--json', '--processes', '--torch', process.execPath];
    const lines = linesOf(await bench('train', ...setting, ...flags));
    expect(lines.map(({ peer }) => peer)).toEqual([null, 'processes']);
  });
});

describe('JavaScript libraries', () => {
  const setting = { net: 'refnet', norm: 'sync', replicas: 2, workers: 1 } as const;

  it.for(JS_PEERS.map(({ name }) => name))('train: %s', async (name, { skip }) => {
    if (!jsFound.includes(name)) skip(`${name} is not in SYNCBN_JS_PEERS`);
    // Some of them need minutes for the whole setting.
    const [peer] = jsPeers({ ...setting, replicaBatch: 16 }, [name], jsFolder);
    const served = peer!.start();
    try {
      const { imagesPerSecond, msPerStep } = await served.measure(0.1);
      expect((imagesPerSecond * msPerStep.p50) / 32_000).toBeCloseTo(1, 6);
    } finally {
      await served.close();
    }
  });
});

describe('results', () => {
  it('are all that npm run bench prints with --json, even if it builds', () => {
    const args = ['run', '--silent', 'bench', '--', 'kernels', '--smoke', '--json'];
    const { stdout, status } = spawnSync('npm', args, { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(linesOf({ stdout, stderr: '', code: 0 }).length).toBeGreaterThan(1);
  });
});
