import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { NETS, TRAIN_NETS } from '../../bench/nets.ts';
import { torchPeers, whyTorchLacks } from '../../bench/peers.ts';
import { peerProgram } from '../../bench/served.ts';
import { findTorch, pythonOf } from '../../bench/torch.ts';

const python = pythonOf(undefined);
const hasTorch = 'build' in (await findTorch(python));
const hasMpi = spawnSync('mpicc', ['--version']).status === 0;
const cwd = peerProgram('');

describe('the programs of the peers', () => {
  it.skipIf(!hasTorch)('in Python import only names that exist', () => {
    const modules = readdirSync(cwd).flatMap((file) => /(\w+)\.py$/.exec(file)?.[1] ?? []);
    expect(modules).toContain('gloo_all_reduce');
    const code = `import sys; sys.dont_write_bytecode = True; import ${modules.join()}`;
    const { stderr } = spawnSync(python, ['-c', code], { cwd, encoding: 'utf8' });
    expect(stderr).toBe('');
  });

  it.skipIf(!hasMpi)('in C compile without errors', () => {
    const args = ['-fsyntax-only', 'openmpi_all_reduce.c'];
    const { status, stderr } = spawnSync('mpicc', args, { cwd, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('in JavaScript have no syntax errors', () => {
    for (const file of readdirSync(cwd).filter((name) => name.endsWith('.mjs'))) {
      const { stderr } = spawnSync(process.execPath, ['--check', file], { cwd, encoding: 'utf8' });
      expect(stderr).toBe('');
    }
  });
});

describe('a PyTorch without torchvision', () => {
  const build = { version: '1', blas: 'a', oneDnn: '1', capability: 'AVX2' };
  const bare = { python: 'bare', build };
  const full = { python: 'full', build: { ...build, torchvision: '2' } };
  const settingOf = (net: (typeof TRAIN_NETS)[number]) =>
    ({ net, norm: 'sync', replicas: 2, workers: 2, replicaBatch: 4 }) as const;

  it.each([
    { net: 'resnet20', labels: ['PyTorch 1 of bare', 'PyTorch 1 of full'] },
    { net: 'resnet18', labels: ['PyTorch 1 of full'] },
    { net: 'mobilenet-v2', labels: ['PyTorch 1 of full'] },
    { net: 'unet', labels: ['PyTorch 1 of bare', 'PyTorch 1 of full'] },
  ] as const)('and one with it are peers for $net: $labels', ({ net, labels }) => {
    const peers = torchPeers(settingOf(net), [bare, full], 'fastest');
    expect(peers.map(({ label }) => label)).toEqual(labels);
  });

  it('is named with the nets that it lacks, if any are requested', () => {
    expect(whyTorchLacks(TRAIN_NETS.map(settingOf), [bare, full])).toEqual([
      expect.stringMatching(/^Without PyTorch 1 of bare for resnet18, mobilenet-v2: .*python3-/),
    ]);
    expect(whyTorchLacks(NETS.map(settingOf), [bare, full])).toEqual([]);
  });
});
