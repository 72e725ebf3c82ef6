import { describe, expect, it } from 'vitest';
import { abiOf } from '../../src/mpi/abi.ts';
import { findLauncher } from '../../src/mpi/launcher.ts';
import { familyOf, type MpirunJob, mpirunLine, readEnd } from '../../src/mpi/mpirun.ts';

const job: MpirunJob = {
  family: 'Open MPI',
  mpirun: 'mpirun',
  hosts: undefined,
  processes: 3,
  environment: {},
  isRoot: false,
  command: ['node', 'cli.js', 'train'],
};

describe('the command line of a launcher', () => {
  it('of Open MPI binds no process to a core', () => {
    expect(mpirunLine(job).join(' ')).toBe(
      'mpirun --bind-to none --oversubscribe -n 3 node cli.js train',
    );
  });

  it('of Open MPI names hosts and soon notices a lost one', () => {
    const hosts = [
      { host: 'a', slots: 1 },
      { host: 'b', slots: 2 },
    ];
    const line = mpirunLine({ ...job, hosts, isRoot: true, environment: { A: 'b c' } }).join(' ');
    expect(line).toMatch(/^mpirun --allow-run-as-root .*keepalive_time 2 .*--host a:1,b:2 -n 3 /);
    expect(line).toContain('-x A=b c node');
    expect(line).not.toContain('oversubscribe');
  });

  it('of MPICH', () => {
    const hosts = [{ host: 'a', slots: 3 }];
    const line = mpirunLine({ ...job, family: 'MPICH', hosts, environment: { A: 'b' } });
    expect(line.join(' ')).toBe('mpirun -hosts a:3 -n 3 -genv A b node cli.js train');
  });
});

describe('a launcher', () => {
  it.each([
    ['mpirun (Open MPI) 4.1.4', 'Open MPI'],
    ['mpirun.openmpi (OpenRTE) 4.1.4', 'Open MPI'],
    ['HYDRA build details:\n    Version: 4.0.2', 'MPICH'],
    ['bash: mpirun: 1.0', undefined],
  ])('identifies itself: %j', (version, family) => {
    expect(familyOf(version)).toBe(family);
  });

  it.each([
    [
      { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '4' },
      { name: 'Open MPI', rank: 1, size: 4 },
    ],
    [
      { PMI_RANK: '0', PMI_SIZE: '2', MPI_LOCALNRANKS: '2' },
      { name: 'MPICH', localSize: 2 },
    ],
    [
      { SLURM_PROCID: '3', SLURM_STEP_NUM_TASKS: '4' },
      { name: 'Slurm', rank: 3, size: 4 },
    ],
    // One process needs no others, and a batch script is not a step.
    [{ OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' }, undefined],
    [{ SLURM_PROCID: '0', SLURM_NTASKS: '4' }, undefined],
    [{ PMI_RANK: 'x', PMI_SIZE: '2' }, undefined],
    [{}, undefined],
  ])('is found in the environment %j', (environment, found) => {
    const launcher = findLauncher(environment);
    if (found === undefined) expect(launcher).toBeUndefined();
    else expect(launcher).toMatchObject(found);
  });

  it('reports how a process ended', () => {
    const killed =
      'mpirun noticed that process rank 1 with PID 0 on node b exited on signal 9 (Killed).';
    const unknown = () => undefined;
    expect(readEnd(killed, unknown)).toEqual({ what: 'process 1 on b was killed by signal 9' });
    const lost =
      'ORTE has lost communication with a remote daemon.\n  HNP daemon   : [[1,0],0] on node a\n' +
      '  Remote daemon: [[1,0],1] on node b\n';
    expect(readEnd(lost, unknown)).toEqual({ what: 'host b is gone', lostHost: 'b' });
    const ofMpich =
      '=   PID 21842 RUNNING AT vm\n=   EXIT CODE: 9\n=   CLEANING UP\n' +
      'YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)\n';
    const end = readEnd(ofMpich, unknown);
    expect(end?.what).toBe('a process on vm (PID 21842) was killed by signal 9');
    const rankOf = (host: string, pid: number) => (host === 'vm' && pid === 21842 ? 1 : undefined);
    expect(readEnd(ofMpich, rankOf)?.what).toBe('process 1 on vm was killed by signal 9');
    expect(readEnd('all is well', unknown)).toBeUndefined();
  });
});

describe('the family of a library is found', () => {
  const having = (...names: string[]) => abiOf((name) => names.includes(name))?.family;

  it('by its symbols', () => {
    expect(having('MPI_Comm_size', 'ompi_mpi_comm_self')).toBe('Open MPI');
    expect(having('MPI_Comm_size')).toBe('MPICH');
    // Open MPI 6 has both: the constants of the standard then apply.
    expect(having('MPI_Comm_size', 'MPI_Abi_get_version', 'ompi_mpi_comm_self')).toBe('MPI 5 ABI');
    expect(having('printf')).toBeUndefined();
  });
});
