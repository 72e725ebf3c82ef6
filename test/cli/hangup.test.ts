// A terminal that closes. Python opens it, since Node cannot; without Python these tests are
// skipped.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import { CLI } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-hangup-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a command on a terminal, which it closes at the first occurrence of a text. Prints how the
 * command ended. */
const HANG_UP = `
import os, pty, sys
sight, command = sys.argv[1].encode(), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
shown = b''
while sight not in shown:
    shown += os.read(terminal, 4096)
os.close(terminal)
_, status = os.waitpid(pid, 0)
print(os.WEXITSTATUS(status) if os.WIFEXITED(status) else f'signal {os.WTERMSIG(status)}')
`;

const hasTerminals = spawnSync('python3', ['-c', 'import pty']).status === 0;

describe.skipIf(!hasTerminals)('a terminal that closes', () => {
  it('stops the run, which saves and exits with the code of SIGHUP', async () => {
    const path = join(folder, 'run.ckpt');
    const data = ['--data', 'synthetic', '--limit', '1000', '--replicas', '2'];
    const train = [CLI, 'train', ...data, '--epochs', '500', '--checkpoint', path];
    const { stdout, stderr } = spawnSync(
      'python3',
      ['-c', HANG_UP, 'epoch 2', process.execPath, ...train],
      { encoding: 'utf8', timeout: 50_000 },
    );
    expect([stdout.trim(), stderr]).toEqual(['129', '']);
    const { counters } = await readCheckpoint(path);
    expect(counters.step).toBeGreaterThan(0);
    expect(counters.epochs).toBe(500);
  });
});
