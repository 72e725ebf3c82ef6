// Which launcher started this process, according to the environment: mpirun of Open MPI or MPICH,
// srun of Slurm, or none. Read before MPI is loaded, since a library may change the environment.

export interface Launcher {
  readonly name: 'Open MPI' | 'MPICH' | 'Slurm';
  readonly rank: number;
  readonly size: number;
  /** Processes on this host; undefined if the launcher does not say. */
  readonly localSize: number | undefined;
}

interface Variables {
  readonly name: Launcher['name'];
  readonly rank: string;
  readonly size: string;
  readonly localSize: string;
}

const LAUNCHERS: readonly Variables[] = [
  {
    name: 'Open MPI',
    rank: 'OMPI_COMM_WORLD_RANK',
    size: 'OMPI_COMM_WORLD_SIZE',
    localSize: 'OMPI_COMM_WORLD_LOCAL_SIZE',
  },
  { name: 'MPICH', rank: 'PMI_RANK', size: 'PMI_SIZE', localSize: 'MPI_LOCALNRANKS' },
  {
    name: 'Slurm',
    rank: 'SLURM_PROCID',
    size: 'SLURM_STEP_NUM_TASKS',
    localSize: 'SLURM_LOCALNTASKS',
  },
];

/** Set if a supervisor started the launcher; names a folder for the processes. */
export const SUPERVISED_VARIABLE = 'SYNCBN_SUPERVISED';

/** The launcher of several processes; undefined if this process is alone, unless it is supervised,
 * since such a run may get more processes. */
export function findLauncher(environment: NodeJS.ProcessEnv): Launcher | undefined {
  const least = environment[SUPERVISED_VARIABLE] === undefined ? 2 : 1;
  for (const { name, ...variables } of LAUNCHERS) {
    const rank = wholeNumber(environment[variables.rank]);
    const size = wholeNumber(environment[variables.size]);
    if (rank === undefined || size === undefined || size < least) continue;
    return { name, rank, size, localSize: wholeNumber(environment[variables.localSize]) };
  }
  return undefined;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
