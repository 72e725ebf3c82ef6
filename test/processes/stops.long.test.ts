// Runs under real MPI that are stopped, and a launcher of the other MPI.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Outcome, syncbn } from '../support/cli.ts';
import { supervised } from '../support/processes/killed.ts';
import { LIBRARIES, mpirun } from '../support/processes/mpirun.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-mpi-'));
afterAll(() => rmSync(folder, { recursive: true }));

const TRAIN = ['train', '--data', 'synthetic', '--limit', '300', '--batch', '40', '--json'];
const SYNC = [...TRAIN, '--norm', 'sync', '--replicas', '4'];

const doneOf = ({ events }: Outcome) => events.find(({ event }) => event === 'done');

describe.each(LIBRARIES)('under $title', ({ library, isHere }) => {
  it.skipIf(!isHere)('a stopped run continues in one process, with the same bits', async () => {
    const file = join(folder, `${library.name}.ckpt`);
    const args = [...SYNC, '--workers', '1', '--epochs', '400', '--checkpoint', file];
    const stopped = await mpirun(library, 2, [...args, '--overwrite'], {
      onLine: (line, child) => {
        if (line.includes('"epoch":3') && !child.killed) child.kill('SIGTERM');
      },
    });
    // Not the exit code: MPICH's launcher, when told to stop, now and then ends with 0.
    expect(doneOf(stopped)).toBeUndefined();
    const written = stopped.events.filter(({ event }) => event === 'checkpoint');
    expect(written.length).toBeGreaterThan(0);
    const { step } = written[written.length - 1]!;
    // The launcher may end before it has passed the last line on: the file may be further.
    const epochs = Math.ceil((step as number) / 8) + 3;
    const rest = ['--epochs', `${epochs}`, '--workers', '1'];
    const on = await syncbn([
      'train',
      '--data',
      'synthetic',
      '--limit',
      '300',
      '--resume',
      file,
      '--json',
      ...rest,
    ]);
    const start = on.events.find(({ event }) => event === 'start');
    expect(start?.step).toBeGreaterThanOrEqual(step as number);
    const whole = await syncbn([...SYNC, ...rest]);
    expect(doneOf(on)?.weightsHash).toBe(doneOf(whole)?.weightsHash);
  });

  it.skipIf(!isHere)('a run that fails by itself is not repeated', async () => {
    const args = [...SYNC, '--lr', '1e30', '--processes', '2', '--workers', '1'];
    const outcome = await supervised(library, [...args, '--max-restarts', '2'], () => {});
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).not.toMatch(/restart/);
    expect(outcome.stderr).toMatch(/not finite/);
  });

  const other = LIBRARIES.find((candidate) => candidate.library !== library)!;
  it.skipIf(!isHere || !other.isHere)('another library is an error that says so', async () => {
    const env = { SYNCBN_MPI: other.library.file };
    const output = await mpirun(library, 2, [...SYNC, '--epochs', '1'], { env });
    expect(output.code).not.toBe(0);
    expect(`${output.stdout}${output.stderr}`).toMatch(/2 processes, but .* finds 1/);
  });
});
