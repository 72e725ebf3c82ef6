// Runs the built command under the launchers that are installed.

import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { CLI, type Outcome, run } from '../cli.ts';

export interface MpiLibraryUnderTest {
  readonly name: 'Open MPI' | 'MPICH';
  readonly file: string;
  readonly launcher: string;
  /** Flags of the launcher for any number of processes. */
  readonly flags: readonly string[];
  /** Environment and flags that keep messages off shared memory. */
  readonly tcp: { readonly flags: readonly string[]; readonly env: NodeJS.ProcessEnv };
}

const KNOWN: readonly MpiLibraryUnderTest[] = [
  {
    name: 'Open MPI',
    file: 'libmpi.so.40',
    launcher: 'mpirun.openmpi',
    flags: ['--oversubscribe', '--bind-to', 'none'],
    tcp: {
      flags: ['--mca', 'btl', 'tcp,self', '--mca', 'btl_tcp_if_include', 'lo'],
      env: {},
    },
  },
  {
    name: 'MPICH',
    file: 'libmpich.so.12',
    launcher: 'mpirun.mpich',
    flags: [],
    tcp: {
      flags: [],
      env: { UCX_TLS: 'tcp,self', UCX_NET_DEVICES: 'lo', MPIR_CVAR_NOLOCAL: '1' },
    },
  },
];

type MpirunOptions = Parameters<typeof run>[2] & { readonly isTcp?: boolean };

/** If root requests it. */
const AS_ROOT = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };

function hasKoffi(): boolean {
  try {
    createRequire(import.meta.url).resolve('koffi');
    return true;
  } catch {
    return false;
  }
}

const isInstalled = ({ launcher }: MpiLibraryUnderTest): boolean =>
  hasKoffi() && spawnSync(launcher, ['--version']).status === 0;

/** The libraries, and why the tests of one are skipped. */
export const LIBRARIES = KNOWN.map((library) => {
  const isHere = isInstalled(library);
  const why = isHere ? '' : ` (skipped: ${library.launcher} or koffi is not installed)`;
  return { library, isHere, title: `${library.name}${why}` };
});

/** Runs `syncbn` with these arguments in so many processes. */
export function mpirun(
  library: MpiLibraryUnderTest,
  processes: number,
  args: readonly string[],
  options: MpirunOptions = {},
): Promise<Outcome> {
  return mpirunScript(library, processes, [CLI, ...args], options);
}

/** Runs a script with Node in so many processes. */
export function mpirunScript(
  library: MpiLibraryUnderTest,
  processes: number,
  args: readonly string[],
  options: MpirunOptions = {},
): Promise<Outcome> {
  const { isTcp = false, env = {}, onLine } = options;
  const flags = [...library.flags, ...(isTcp ? library.tcp.flags : []), '-n', `${processes}`];
  return run(library.launcher, [...flags, process.execPath, ...args], {
    onLine,
    env: { ...process.env, ...AS_ROOT, ...(isTcp && library.tcp.env), ...env },
  });
}
