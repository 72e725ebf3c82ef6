// `syncbn completion`: the script, run by the shell that it is for. Shells that are not installed
// are left out.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/entry/commands.ts';
import { flagsOf } from '../../src/cli/settings/flagText.ts';
import { syncbn } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));
const isInstalled = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

async function writeScript(shell: string): Promise<string> {
  const { code, stdout, stderr } = await syncbn(['completion', shell]);
  expect([code, stderr]).toEqual([0, '']);
  const path = join(folder, shell);
  writeFileSync(path, stdout);
  return path;
}

describe.skipIf(!isInstalled('bash'))('bash completes', () => {
  let script: string;
  beforeAll(async () => {
    writeFileSync(join(folder, 'run.ckpt'), '');
    script = await writeScript('bash');
  });

  /** What bash would offer after these words; the last one is being typed. */
  function offered(...words: readonly string[]): readonly string[] {
    const typed = ['syncbn', ...words].map((word) => `'${word}'`).join(' ');
    const lines = `source ${script}; COMP_WORDS=(${typed}); COMP_CWORD=${words.length}
      _syncbn; printf '%s\\n' "\${COMPREPLY[@]}"; complete -p syncbn`;
    const stdout = execFileSync('bash', ['-c', lines], { cwd: folder, encoding: 'utf8' });
    const found = stdout.trim().split('\n');
    expect(found.pop()).toBe('complete -o filenames -F _syncbn syncbn');
    return found.filter((word) => word !== '');
  }

  it('commands', () => {
    expect(offered('')).toEqual([...commands.map(({ name }) => name), '--help', '--version']);
    expect(offered('ins')).toEqual(['inspect']);
  });

  it('only flags of the command', () => {
    const flags = flagsOf(commands.find(({ name }) => name === 'eval')!.groups);
    expect(offered('eval', '--')).toEqual([...flags.map(({ name }) => `--${name}`), '--help']);
    expect(offered('train', '--sched')).toEqual(['--schedule', '--schedule-unit']);
  });

  it('values of flags: words, files, or both', () => {
    expect(offered('train', '--norm', 'l')).toEqual(['local', 'layer']);
    expect(offered('train', '--optimizer', '=', 'ada')).toEqual(['adam', 'adamw']);
    expect(offered('train', '--resume', 'ru')).toEqual(['run.ckpt']);
    expect(offered('train', '--model', 'r')).toEqual([
      ...['refnet', 'resnet20', 'resnet18', 'resnet34', 'resnet50', 'run.ckpt'],
    ]);
  });

  it('arguments', () => {
    expect(offered('help', 'exit')).toEqual(['exit-codes']);
    expect(offered('inspect', 'r')).toEqual(['run.ckpt']);
    // What follows a flag without a value is an argument or another flag.
    expect(offered('train', '--flip', '--no-n')).toEqual(['--no-norm-decay']);
  });
});

describe('other shells', () => {
  it.skipIf(!isInstalled('zsh'))('zsh reads its script', async () => {
    const script = await writeScript('zsh');
    expect(spawnSync('zsh', ['-n', script]).status).toBe(0);
  });

  it.skipIf(!isInstalled('fish'))('fish offers what fits', async () => {
    const script = await writeScript('fish');
    const lines = `source ${script}; complete -C "syncbn train --norm-k"`;
    expect(execFileSync('fish', ['-c', lines], { encoding: 'utf8' })).toMatch(/^--norm-kinds\t/);
  });

  it.each([
    [['completion'], /requires a shell: bash, zsh, fish/],
    [['completion', 'bsh'], /expected bash, zsh, fish, got "bsh"\. Try: syncbn completion bash/],
  ])('%j is refused', async (args, message) => {
    const { code, stderr } = await syncbn(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
