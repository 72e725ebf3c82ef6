// The command line that starts processes: of Open MPI's mpirun, or of MPICH's. Pure; who runs it is
// elsewhere.

export type MpirunFamily = 'Open MPI' | 'MPICH';

/** What to start, and where. */
export interface MpirunJob {
  readonly family: MpirunFamily;
  /** The launcher itself. */
  readonly mpirun: string;
  /** Hosts with their numbers of processes; undefined for this machine. */
  readonly hosts: readonly HostSlots[] | undefined;
  readonly processes: number;
  /** Environment to hand on. */
  readonly environment: Readonly<Record<string, string>>;
  readonly isRoot: boolean;
  readonly command: readonly string[];
}

export interface HostSlots {
  readonly host: string;
  readonly slots: number;
}

/** Open MPI notices a host that is gone by its connection's keep-alive: after 2 + 3 seconds here,
 * of itself after 8 minutes. */
const KEEP_ALIVE = [
  ...['--mca', 'oob_tcp_keepalive_time', '2'],
  ...['--mca', 'oob_tcp_keepalive_intvl', '1'],
  ...['--mca', 'oob_tcp_keepalive_probes', '3'],
];

/** Over one stream, large messages of both directions go one after the other; over two, at once. */
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

/** Which family a launcher is of, by what it says of its version; undefined for neither. */
export function familyOf(version: string): MpirunFamily | undefined {
  if (/Open ?MPI|OpenRTE|PRTE/i.test(version)) return 'Open MPI';
  return /HYDRA|MPICH|Intel/i.test(version) ? 'MPICH' : undefined;
}

/** What a launcher says of an end: which process ended how, and which host is gone. */
export interface MpirunEnd {
  readonly what: string;
  readonly lostHost?: string;
}

/** The number of the process that a host knows by this id, as far as known. */
type RankOf = (host: string, pid: number) => number | undefined;

/** What a launcher that knows no numbers calls a process. */
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

/** Reads what a launcher has printed; undefined where it says nothing of an end. */
export function readEnd(printed: string, rankOf: RankOf): MpirunEnd | undefined {
  for (const [pattern, end] of ENDS) {
    const found = pattern.exec(printed);
    if (found !== null) return end(found.slice(1), rankOf);
  }
  return undefined;
}
