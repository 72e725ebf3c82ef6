// Hosts on one machine: Linux network namespaces, joined by a bridge, each with its own host name,
// /dev/shm and rate-limited card. Needs root; removes everything at the end.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { RunError } from '../src/base/errors.ts';
import { findMpirun } from '../src/mpi/findMpirun.ts';
import { mpirunLine } from '../src/mpi/mpirun.ts';

const SWITCH = 'syncbn-switch';
const hostName = (host: number): string => `syncbn-host${host}`;
const addressOf = (host: number): string => `10.77.0.${host + 1}`;
/** Where `ip netns exec` looks for replacements of files in /etc. */
const ETC = '/etc/netns';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Only two frames may pass at once, as from a card: a larger bucket would let small messages after
 * a pause pass at any rate. */
const SHAPING = ['burst', '3kb', 'latency', '50ms'];

/** Runs a command on a host, instead of ssh: MPI starts its daemons with it. */
const AGENT = `#!/bin/sh
host=$1
shift
exec ip netns exec $host unshare -u -m sh -c \
  "hostname $host; mount -t tmpfs tmpfs /dev/shm; $*"
`;

/** The hosts of a network. */
export interface Hosts {
  readonly count: number;
  /** Runs a command on one of them; returns its output. */
  run(host: number, command: readonly string[]): Promise<string>;
  /** The command line that runs a program on all of them over MPI, one process each. */
  mpiLine(command: readonly string[]): readonly [file: string, ...args: string[]];
}

/** Why there cannot be any here; undefined if there can. */
export function whyNoHosts(): string | undefined {
  if (process.platform !== 'linux') return 'not on Linux';
  if (geteuid?.() !== 0) return 'not root, which network namespaces require';
  for (const tool of ['ip', 'tc', 'unshare']) {
    if (spawnSync(tool, ['-V']).error !== undefined) return `no ${tool} (Debian: iproute2)`;
  }
  return mpirunOf() === undefined ? 'no mpirun of Open MPI (Debian: openmpi-bin)' : undefined;
}

function mpirunOf(): string | undefined {
  return findMpirun(['mpirun.openmpi', 'mpirun'], ['Open MPI'])?.mpirun;
}

/** Makes hosts with cards that send at most at this rate, in tc's units, and removes them after
 * `use`. `folder` is for temporary files. */
export async function withHosts<T>(
  { count, rate, folder }: { count: number; rate: string; folder: string },
  use: (hosts: Hosts) => Promise<T>,
): Promise<T> {
  const all = Array.from({ length: count }, (_, host) => host);
  const agent = join(folder, 'agent.sh');
  writeFileSync(agent, AGENT, { mode: 0o755 });
  const names = all.map((host) => `${addressOf(host)} ${hostName(host)}\n`).join('');
  const takeDown = (): void => {
    for (const name of [...all.map(hostName), SWITCH]) removeNamespace(name);
    for (const host of all) rmSync(join(ETC, hostName(host)), { recursive: true, force: true });
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    takeDown();
    process.exit(128 + constants.signals[signal]);
  };
  // Namespaces outlive the process that made them.
  for (const signal of SIGNALS) process.once(signal, onSignal);
  try {
    ip('netns', 'add', SWITCH);
    ip('-n', SWITCH, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', SWITCH, 'link', 'set', 'br0', 'up');
    for (const host of all) addHost(host, rate, names);
    return await use(hostsBy(agent, count));
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    takeDown();
  }
}

/** Also ends what still runs in it. A namespace that was not made has no processes and cannot be
 * deleted. */
function removeNamespace(name: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' });
  for (const pid of stdout.split('\n').filter((line) => line !== '')) {
    spawnSync('kill', ['-KILL', pid]);
  }
  spawnSync('ip', ['netns', 'del', name]);
}

function addHost(host: number, rate: string, names: string): void {
  const name = hostName(host);
  const port = `port${host}`;
  mkdirSync(join(ETC, name), { recursive: true });
  writeFileSync(join(ETC, name, 'hosts'), `127.0.0.1 localhost\n${names}`);
  ip('netns', 'add', name);
  ip('link', 'add', 'eth0', 'netns', name, 'type', 'veth', 'peer', 'name', port, 'netns', SWITCH);
  ip('-n', SWITCH, 'link', 'set', port, 'master', 'br0', 'up');
  ip('-n', name, 'addr', 'add', `${addressOf(host)}/24`, 'dev', 'eth0');
  ip('-n', name, 'link', 'set', 'eth0', 'up');
  ip('-n', name, 'link', 'set', 'lo', 'up');
  ip(
    'netns',
    'exec',
    name,
    'tc',
    'qdisc',
    'add',
    'dev',
    'eth0',
    'root',
    'tbf',
    'rate',
    rate,
    ...SHAPING,
  );
}

function ip(...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status === 0) return;
  throw new RunError({ reason: `ip ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}` });
}

function hostsBy(agent: string, count: number): Hosts {
  const on = (host: number, command: readonly string[]): readonly [string, ...string[]] => [
    agent,
    hostName(host),
    command.map((word) => `'${word}'`).join(' '),
  ];
  return {
    count,
    run: (host, command) => printedBy(on(host, command)),
    mpiLine: (command) =>
      on(0, [
        'env',
        `OMPI_MCA_plm_rsh_agent=${agent}`,
        ...mpirunLine({
          family: 'Open MPI',
          mpirun: mpirunOf()!,
          hosts: Array.from({ length: count }, (_, host) => ({ host: hostName(host), slots: 1 })),
          processes: count,
          environment: {},
          isRoot: true,
          command,
        }),
      ]),
  };
}

/** Runs a command to its end; returns its output. */
export async function printedBy([file, ...args]: readonly [string, ...string[]]): Promise<string> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  let complained = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    complained += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code === 0) return printed;
  throw new RunError({ reason: `${args.join(' ')} ended with ${code}: ${complained.trim()}` });
}
