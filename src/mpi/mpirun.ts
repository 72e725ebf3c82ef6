// Builds the command line that starts processes with mpirun, of Open MPI or of MPICH. It does not
// run it.

export type MpirunFamily = 'Open MPI' | 'MPICH';

/** What to start, and where. */
export interface MpirunJob {
  readonly family: MpirunFamily;
  /** The launcher. */
  readonly mpirun: string;
  /** Hosts with their process counts; undefined for this machine. */
  readonly hosts: readonly HostSlots[] | undefined;
  readonly processes: number;
  /** Environment variables to pass on. */
  readonly environment: Readonly<Record<string, string>>;
  readonly isRoot: boolean;
  readonly command: readonly string[];
}

export interface HostSlots {
  readonly host: string;
  readonly slots: number;
}

/** Open MPI notices a host that is gone by TCP keep-alive: after 2 + 3 seconds with these settings,
 * after 8 minutes by default. */
const KEEP_ALIVE = [
  ...['--mca', 'oob_tcp_keepalive_time', '2'],
  ...['--mca', 'oob_tcp_keepalive_intvl', '1'],
  ...['--mca', 'oob_tcp_keepalive_probes', '3'],
];

/** Over one stream, large messages in both directions are sent one after another; over two,
 * simultaneously. */
const TWO_STREAMS = ['--mca', 'btl_tcp_links', '2'];

/** The words of the command line. */
export function mpirunLine(job: MpirunJob): readonly string[] {
  const { family, mpirun, hosts, processes, environment, isRoot, command } = job;
  const variables = Object.entries(environment);
  if (family === 'MPICH') {
    return [
      mpirun,
      ...(hosts === undefined ? [] : ['-hosts', listed(hosts)]),
      ...['-n', `${processes}`],
      ...variables.flatMap(([name, value]) => ['-genv', name, value]),
      ...command,
    ];
  }
  return [
    mpirun,
    ...(isRoot ? ['--allow-run-as-root'] : []),
    // Each process has threads for all of its cores.
    ...['--bind-to', 'none'],
    ...(hosts === undefined
      ? ['--oversubscribe']
      : [...KEEP_ALIVE, ...TWO_STREAMS, '--host', listed(hosts)]),
    ...['-n', `${processes}`],
    ...variables.flatMap(([name, value]) => ['-x', `${name}=${value}`]),
    ...command,
  ];
}

function listed(hosts: readonly HostSlots[]): string {
  return hosts.map(({ host, slots }) => `${host}:${slots}`).join(',');
}

/** A launcher's family, from its version output; undefined for neither. */
export function familyOf(version: string): MpirunFamily | undefined {
  if (/Open ?MPI|OpenRTE|PRTE/i.test(version)) return 'Open MPI';
  return /HYDRA|MPICH|Intel/i.test(version) ? 'MPICH' : undefined;
}

/** How a launcher reports the end of processes: which one ended how, and which host is gone. */
export interface MpirunEnd {
  readonly what: string;
  readonly lostHost?: string;
}

/** The rank of a process with this id on a host, if known. */
type RankOf = (host: string, pid: number) => number | undefined;

/** Names a process for a launcher that does not print ranks. */
function named([pid, host]: readonly string[], rankOf: RankOf): string {
  const rank = rankOf(host!, Number(pid));
  return rank === undefined ? `a process on ${host} (PID ${pid})` : `process ${rank} on ${host}`;
}

const ENDS: readonly (readonly [
  RegExp,
  (found: readonly string[], rankOf: RankOf) => MpirunEnd,
])[] = [
  [
    /process rank (\d+) with PID \d+ on node (\S+) exited on signal (\d+)/,
    ([rank, host, signal]) => ({
      what: `process ${rank} on ${host} was killed by signal ${signal}`,
    }),
  ],
  [
    /Remote daemon: \S+ on node (\S+)/,
    ([host]) => ({ what: `host ${host} is gone`, lostHost: host! }),
  ],
  [
    /Process name: \[\[\d+,\d+\],(\d+)\]\s+Exit code:\s+(\d+)/,
    ([rank, code]) => ({ what: `process ${rank} ended with exit code ${code}` }),
  ],
  [
    /PID (\d+) RUNNING AT (\S+)[\s\S]*?EXIT STRING: .*\(signal (\d+)\)/,
    (found, rankOf) => ({ what: `${named(found, rankOf)} was killed by signal ${found[2]}` }),
  ],
  [
    /PID (\d+) RUNNING AT (\S+)\s+[|=\s]*EXIT CODE: (\d+)/,
    (found, rankOf) => ({ what: `${named(found, rankOf)} ended with exit code ${found[2]}` }),
  ],
];

/** Parses a launcher's output; undefined if it does not report an end. */
export function readEnd(printed: string, rankOf: RankOf): MpirunEnd | undefined {
  for (const [pattern, end] of ENDS) {
    const found = pattern.exec(printed);
    if (found !== null) return end(found.slice(1), rankOf);
  }
  return undefined;
}
