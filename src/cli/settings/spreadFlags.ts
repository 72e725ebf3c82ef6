// The flags that spread `train` over several processes: --processes, --nodes, --hostfile,
// --max-restarts and --dry-run.

import { readFileSync } from 'node:fs';
import { UsageError } from '../../base/errors.ts';
import { fileError } from '../../base/fileError.ts';
import type { HostSlots } from '../../mpi/mpirun.ts';
import type { Flags } from './flags.ts';

/** What the flags request. */
export interface Spread {
  /** Undefined for this machine. */
  readonly hosts: readonly HostSlots[] | undefined;
  /** The hosts' file, if they are from a file. */
  readonly hostfile: string | undefined;
  readonly processes: number;
  readonly maxRestarts: number;
  readonly isDryRun: boolean;
}

const WITH_VALUE = ['--processes', '--nodes', '--hostfile', '--max-restarts'];
const ALONE = ['--dry-run'];

/** Reads the flags; undefined if the command runs in this process. */
export function spreadFrom(flags: Flags): Spread | undefined {
  const given = ['processes', 'nodes', 'hostfile'].filter((name) => flags.has(name));
  const [first, second] = given;
  if (first === undefined) {
    const lone = ['max-restarts', 'dry-run'].find((name) => flags.has(name));
    if (lone === undefined) return undefined;
    throw new UsageError({
      what: `--${lone}`,
      problem: 'is for a run of several processes',
      hint: '--processes 2, or --nodes a,b',
    });
  }
  if (second !== undefined) {
    throw new UsageError({
      what: `--${first} and --${second}`,
      problem: 'each say where processes run',
      hint: 'one of them',
    });
  }
  const hosts = hostsFrom(flags);
  const slots = hosts?.reduce((sum, host) => sum + host.slots, 0);
  return {
    hosts,
    hostfile: flags.text('hostfile'),
    processes: slots ?? flags.integer('processes', 1)!,
    maxRestarts: flags.integer('max-restarts', 0) ?? 0,
    isDryRun: flags.isSet('dry-run'),
  };
}

function hostsFrom(flags: Flags): readonly HostSlots[] | undefined {
  const nodes = flags.text('nodes');
  if (nodes !== undefined) return nodes.split(',').map((word) => parseHost('--nodes', word));
  const path = flags.text('hostfile');
  return path === undefined ? undefined : hostsIn(path);
}

/** The hosts in a file. */
export function hostsIn(path: string): readonly HostSlots[] {
  const hosts = linesOf(path).map((line) => parseHost(`--hostfile ${path}`, line));
  if (hosts.length > 0) return hosts;
  throw new UsageError({
    what: `--hostfile ${path}`,
    problem: 'names no host',
    hint: 'one host per line',
  });
}

function linesOf(path: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fileError(`--hostfile ${path}`, error, 'a file that can be read');
  }
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
}

/** `host`, `host:2` (MPICH) or `host slots=2` (Open MPI). */
function parseHost(what: string, text: string): HostSlots {
  const found = /^([\w.-]+)(?:(?::|\s+slots\s*=\s*)([1-9]\d*))?$/.exec(text.trim());
  if (found !== null) return { host: found[1]!, slots: Number(found[2] ?? 1) };
  throw new UsageError({ what, given: text, allowed: 'names of hosts, such as a,b:2' });
}

/** The words of a command line without these flags. */
export function withoutSpread(words: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const flag = words[i]!.split('=')[0]!;
    if (ALONE.includes(flag)) continue;
    if (!WITH_VALUE.includes(flag)) kept.push(words[i]!);
    else if (!words[i]!.includes('=')) i++;
  }
  return kept;
}
