import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI, syncbn } from '../support/cli.ts';

const tiny = ['train', '--data', 'synthetic', '--limit', '32', '--model', 'refnet'].concat([
  '--replicas',
  '2',
  '--replica-batch',
  '8',
  '--workers',
  '1',
]);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-life-'));
});
afterAll(() => rm(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);

/** Runs a line of the shell with `syncbn` as a function. */
function shell(line: string): Promise<{ readonly code: number | null; readonly stderr: string }> {
  return new Promise((resolve, reject) => {
    const text = `syncbn() { "${process.execPath}" "${CLI}" "$@"; }; ${line}`;
    const child = spawn('bash', ['-c', text], { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stderr }));
  });
}

describe('signals', () => {
  it.each([
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const)('that come twice within a second are one: %s', async (signal, code) => {
    const path = at(`${signal}.ckpt`);
    let isSent = false;
    const args = [...tiny, '--json', '--epochs', '1000', '--checkpoint', path];
    const outcome = await syncbn(args, (line, child) => {
      if (isSent || !line.includes('"event":"checkpoint"')) return;
      isSent = true;
      child.kill(signal);
      setTimeout(() => child.kill(signal), 2);
    });
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toContain('Ctrl-C again to end immediately');
    expect(outcome.stderr).toContain(`stopped by ${signal} after step`);
    const last = (kind: string) => outcome.events.findLast(({ event }) => event === kind)!;
    expect(last('checkpoint').step).toBe(last('stopped').step);
  });

  it('end a command that saves nothing at once, with their exit code', async () => {
    const args = ['doctor', '--data', 'synthetic', '--model', 'refnet', '--workers', '1'];
    const child = spawn(process.execPath, [CLI, ...args, '--steps', '100000', '--budget', '60']);
    // The threads of a run have started once the kernel lists them.
    while (threadsOf(child.pid!) < 14) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGTERM');
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(143);
  });
});

function threadsOf(pid: number): number {
  return Number(/^Threads:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

describe('output that fails', () => {
  it('a log on a full disk ends with exit code 1, after the run', async () => {
    const path = at('full.ckpt');
    const args = [...tiny, '--json', '--log', '/dev/full', '--checkpoint', path];
    const { code, events, stderr } = await syncbn(args);
    expect(code).toBe(1);
    expect(events.map(({ event }) => event)).toContain('done');
    expect(events.at(-1)).toMatchObject({ event: 'error', kind: 'output' });
    expect(stderr.match(/cannot be written/g)).toHaveLength(1);
    expect(stderr).toMatch(/--log \/dev\/full misses \d+ lines/);
    expect(existsSync(path)).toBe(true);
  });

  it('stdout on a full disk ends with exit code 1, after the run', async () => {
    const { code, stderr } = await shell(
      `syncbn ${tiny.join(' ')} --checkpoint out.ckpt >/dev/full`,
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/stdout cannot be written \(ENOSPC.*; the run continues/);
    expect(existsSync(at('out.ckpt'))).toBe(true);
  });

  it('a reader that takes one line does not end the run', async () => {
    const run = `syncbn ${tiny.join(' ')} --epochs 3 --checkpoint head.ckpt`;
    const { code } = await shell(`${run} | head -1; exit \${PIPESTATUS[0]}`);
    expect(code).toBe(0);
    const { events } = await syncbn(['inspect', at('head.ckpt'), '--json']);
    expect(events[0]).toMatchObject({ counters: { step: 6 } });
  });

  it('a log with a truncated last line continues on a new line', async () => {
    const path = at('cut.jsonl');
    writeFileSync(path, '{"event":"prog');
    expect((await syncbn([...tiny, '--log', path])).code).toBe(0);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines[0]).toBe('{"event":"prog');
    expect(lines.slice(1).map((line) => JSON.parse(line).event)).toContain('done');
  });
});

describe('checkpoints', () => {
  it('of another run are replaced only with --overwrite', async () => {
    const path = at('first.ckpt');
    const args = [...tiny, '--checkpoint', path];
    expect((await syncbn(args)).code).toBe(0);
    const refused = await syncbn([...args, '--seed', '2']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/--overwrite/);
    expect((await syncbn([...args, '--seed', '2', '--overwrite'])).code).toBe(0);
  });

  it('are written to the file that was resumed', async () => {
    const path = at('resumed.ckpt');
    expect((await syncbn([...tiny, '--checkpoint', path])).code).toBe(0);
    const resumed = await syncbn([...tiny, '--resume', path, '--epochs', '3', '--json']);
    const last = resumed.events.findLast(({ event }) => event === 'checkpoint');
    expect(last).toMatchObject({ path, step: 6 });
  });

  it('of a finished run let it be evaluated and reported again', async () => {
    const [path, report] = [at('over.ckpt'), at('over.html')];
    const first = await syncbn([...tiny, '--json', '--checkpoint', path]);
    const again = await syncbn([...tiny, '--json', '--resume', path, '--report', report]);
    expect(again.code).toBe(0);
    const { weightsHash, testLoss } = first.events.at(-1)!;
    const done = again.events.find(({ event }) => event === 'done');
    expect(done).toMatchObject({ weightsHash, testLoss });
    expect(again.stderr).toBe('');
    expect(again.events.find(({ event }) => event === 'notice')).toMatchObject({
      message: expect.stringMatching(/nothing is left to train/),
    });
    expect(existsSync(report)).toBe(true);
  });
});

describe('--resume-or-start', () => {
  it('works in a loop: it starts, resumes, and finishes', async () => {
    const path = at('loop.ckpt');
    const args = [...tiny, '--json', '--norm', 'sync', '--resume-or-start', path];
    const whole = await syncbn([...tiny, '--json', '--epochs', '4']);
    const started = await syncbn([...args, '--epochs', '4', '--max-steps', '3']);
    expect(started.events[0]).toMatchObject({ event: 'start', step: 0 });
    const resumed = await syncbn([...args, '--epochs', '4']);
    expect(resumed.events[0]).toMatchObject({ event: 'start', step: 3 });
    const { weightsHash } = whole.events.at(-1)!;
    expect(resumed.events.at(-1)).toMatchObject({ event: 'done', weightsHash });
    const over = await syncbn([...args, '--epochs', '4']);
    expect([over.code, over.events.at(-1)!.weightsHash]).toEqual([0, weightsHash]);
  });

  it('never restarts an existing run', async () => {
    const path = at('damaged.ckpt');
    writeFileSync(path, 'not a checkpoint');
    const older = at('damaged.step-12.ckpt');
    writeFileSync(older, 'an older one');
    const damaged = await syncbn([...tiny, '--resume-or-start', path]);
    expect(damaged.code).toBe(2);
    expect(damaged.stderr).toContain(`older: ${older}`);
    await rm(path);
    const missing = await syncbn([...tiny, '--resume-or-start', path]);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain(older);
    expect(existsSync(path)).toBe(false);
  });

  it('reports the files of an interrupted save', async () => {
    const path = at('fresh.ckpt');
    appendFileSync(`${path}.123.tmp`, 'half');
    const { code, stderr } = await syncbn([...tiny, '--resume-or-start', path]);
    expect(code).toBe(0);
    expect(stderr).toContain(`${path}.123.tmp is an incomplete save`);
  });
});

describe('text from files', () => {
  it('never sends escapes to a terminal, and is cut if it is too long', async () => {
    const path = at('evil.json');
    const kind = `\u001b]0;evil\u0007\u009b31m${'x'.repeat(100_000)}`;
    writeFileSync(path, JSON.stringify({ kind }));
    const { stderr } = await syncbn([...tiny, '--model', path]);
    for (const unsafe of ['\u001b', '\u0007', '\u009b']) expect(stderr).not.toContain(unsafe);
    expect(stderr.length).toBeLessThan(5000);
  });
});
