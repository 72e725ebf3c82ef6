// Real processes under real MPI: the bits of one process, and errors that name who. All numbers of
// processes and norms, both libraries, TCP, the doctor, and stops: `npm run test:long`.

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Outcome, syncbn } from '../support/cli.ts';
import { LIBRARIES, mpirun, mpirunScript } from '../support/processes/mpirun.ts';

const TRAIN = ['train', '--data', 'synthetic', '--limit', '300', '--batch', '40', '--json'];
const SYNC = [...TRAIN, '--norm', 'sync', '--replicas', '4'];
const RUN = [...SYNC, '--epochs', '2'];

const doneOf = ({ events }: Outcome) => events.find(({ event }) => event === 'done');

describe.each(LIBRARIES)('under $title', ({ library, isHere }) => {
  it.skipIf(!isHere)('a WebAssembly trap stays an exception', async () => {
    const script = fileURLToPath(new URL('../support/jobs/traps.mjs', import.meta.url));
    const output = await mpirunScript(library, 2, [script]);
    expect(output.stdout.match(/traps 200 200/g)).toHaveLength(2);
    expect(output.code).toBe(0);
  });
});

const [openMpi, mpich] = LIBRARIES;

describe(`under ${openMpi!.title}`, () => {
  const { library, isHere } = openMpi!;

  it.skipIf(!isHere)('three processes of two workers have the bits of one', async () => {
    const [processes, workers] = [3, 2];
    const alone = await syncbn([...RUN, '--workers', '2']);
    const apart = await mpirun(library, processes, [...RUN, '--workers', `${workers}`]);
    expect(apart.stderr).toBe('');
    expect(apart.code).toBe(0);
    const { weightsHash, testLoss } = doneOf(alone) as Record<string, unknown>;
    expect(doneOf(apart)).toMatchObject({ weightsHash, testLoss });
    const start = apart.events.filter(({ event }) => event === 'start');
    expect(start).toHaveLength(1);
    expect(start[0]).toMatchObject({ processes, workers: processes * workers });
  });

  it.skipIf(!isHere)('a process that cannot start is named', async () => {
    const env = { SYNCBN_MPI: '/nowhere/libmpi.so' };
    const lost = await mpirun(library, 2, RUN, { env });
    expect(lost.code).not.toBe(0);
    expect(`${lost.stdout}${lost.stderr}`).toMatch(/SYNCBN_MPI has no library.*nowhere/);
  });

  it.skipIf(!isHere)('refuses commands for a single process', async () => {
    const refused = await mpirun(library, 2, ['simulate', '--json']);
    expect(refused.code).not.toBe(0);
    expect(`${refused.stdout}${refused.stderr}`).toMatch(
      /syncbn simulate runs in one process; .* started 2/,
    );
  });
});

const hasBoth = openMpi!.isHere && mpich!.isHere;

describe(`a launcher of one MPI with a library of another${hasBoth ? '' : ' (skipped)'}`, () => {
  it.skipIf(!hasBoth)('is an error that says so', async () => {
    const env = { SYNCBN_MPI: mpich!.library.file };
    const output = await mpirun(openMpi!.library, 2, RUN, { env });
    expect(output.code).not.toBe(0);
    expect(`${output.stdout}${output.stderr}`).toMatch(/2 processes, but .* finds 1/);
  });
});
