// Settings files: --config and --print-config.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/entry/commands.ts';
import { readConfig } from '../../src/cli/settings/configFile.ts';
import { Flags } from '../../src/cli/settings/flags.ts';
import { type Outcome, syncbn } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(text: string): string {
  const path = join(folder, 'run.json');
  writeFileSync(path, text);
  return path;
}

const commandNamed = (name: string) => commands.find((command) => command.name === name)!;
const read = (config: unknown, name = 'train') =>
  readConfig(fileWith(JSON.stringify(config)), commandNamed(name));

describe('a settings file', () => {
  it('has flags by name, with values of their types', () => {
    const config = { data: 'mnist', epochs: 3, lr: 1e-7, flip: true, strict: false };
    expect(read(config)).toEqual({ data: 'mnist', epochs: '3', lr: '1e-7', flip: true });
    expect(read({ milestones: [200, 400], freeze: '0.*', watch: true })).toEqual({
      milestones: '200,400',
      freeze: '0.*',
      watch: true,
    });
    expect(read({ norm: ['sync', 'local'], seed: '1..3', lr: 0.1 }, 'sweep')).toEqual({
      norm: 'sync,local',
      seed: '1..3',
      lr: '0.1',
    });
    expect(read({ 'micro-batches': 'auto' })).toEqual({ 'micro-batches': 'auto' });
    expect(read({ 'micro-batches': 4 })).toEqual({ 'micro-batches': '4' });
    expect(read({ 'eval-correction': 0.5 }, 'eval')).toEqual({ 'eval-correction': '0.5' });
  });

  it.each<[unknown, RegExp]>([
    [{ epoch: 3 }, /run\.json: unknown field epoch\. Try: epochs\./],
    [{ replicaBatch: 3 }, /unknown field replicaBatch\. Try: replica-batch\./],
    [{ config: 'a.json' }, /unknown field config\./],
    [{ epochs: '3' }, /run\.json, epochs: expected a whole number, got "3"\./],
    [{ 'micro-batches': 'all' }, /micro-batches: expected a whole number or auto, got "all"\./],
    [{ epochs: 1.5 }, /epochs: expected a whole number, got 1\.5\./],
    [{ lr: null }, /lr: expected a number, got null\./],
    [{ data: 7 }, /data: expected text, got 7\./],
    [{ flip: 1 }, /flip: expected true or false, got 1\./],
    [{ watch: 'x' }, /watch: expected true, false or a whole number, got "x"\./],
    [{ milestones: [] }, /milestones: expected a list, a number or text, got \[\]\./],
    [[1], /run\.json: expected an object of flags, got \[1\]\./],
  ])('%j is refused', (config, message) => {
    expect(() => read(config)).toThrow(message);
  });

  it('is overridden by the command line, and --no-x turns x off', () => {
    const typed = new Flags({ epochs: '5', flip: false });
    const flags = typed.withDefaults({ epochs: '3', flip: true, 'replica-batch': '4' });
    expect(flags.integer('epochs', 1)).toBe(5);
    expect(flags.integer('replica-batch', 1)).toBe(4);
    expect(flags.has('flip')).toBe(false);
  });
});

describe('--print-config', () => {
  const asked = ['--data', 'synthetic', '--limit', '64', '--model', 'refnet', '--flip'];
  const print = (args: readonly string[]): Promise<Outcome> => syncbn(['train', ...args]);

  it('prints all settings of train, which --config reads and prints again', async () => {
    const schedule = ['--schedule', 'points', '--points', '0:1,50:0.1', '--optimizer', 'lars'];
    const scaled = ['--lr', '2', '--lr-scaling', 'linear', '--micro-batches', 'auto'];
    const args = [...asked, ...schedule, ...scaled, '--print-config'];
    const { code, stdout } = await print(args);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ data: 'synthetic', limit: 64, model: 'refnet', norm: 'sync', replicas: 8, batch: 128 },
      ...{
        optimizer: 'lars',
        lr: 2,
        momentum: 0.9,
        points: ['0:1', '50:0.1'],
        'micro-batches': 'auto',
        flip: true,
        seed: 1,
      },
    });
    const again = await print(['--config', fileWith(stdout), '--print-config']);
    expect(again.stdout).toBe(stdout);
  });

  it('prints the settings of a checkpoint, which give the same weights again', async () => {
    const path = join(folder, 'run.ckpt');
    const norm = ['--norm', 'group', '--num-groups', '2', '--label-smoothing', '0.1'];
    const args = [...asked, ...norm, '--schedule', 'one-cycle', '--clip-norm', '1', '--seed', '7'];
    const first = await print([...args, '--checkpoint', path, '--json']);
    const { stdout } = await syncbn(['inspect', path, '--print-config']);
    const second = await print(['--config', fileWith(stdout), '--json']);
    const hashOf = ({ events }: Outcome): unknown => events.at(-1)!.weightsHash;
    expect(hashOf(first)).toMatch(/^[0-9a-f]{64}$/);
    expect(hashOf(second)).toBe(hashOf(first));
  });

  it('reads --json and --plain from the file, too', async () => {
    const path = fileWith('{"json": true, "epochs": 0}');
    const { code, events } = await print(['--config', path]);
    expect(code).toBe(2);
    expect(events.at(-1)).toMatchObject({ event: 'error', kind: 'usage' });
  });
});
