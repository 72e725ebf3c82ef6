// A launch over several processes: what they tell each other before their threads start, and how
// all ranks' results are exchanged at the end.

import { basename } from 'node:path';
import { Deserializer, Serializer } from 'node:v8';
import { RunError, UsageError } from '../base/errors.ts';
import { messageOf } from '../base/showError.ts';
import { packageVersion } from '../base/version.ts';
import { readAbort } from '../sync/abort.ts';
import { MOST_MEMBERS } from '../sync/calls.ts';
import { DEFAULT_SLOT_BYTES, type GroupOptions } from '../sync/memory.ts';
import { ranksByProcess } from '../sync/peers.ts';
import { bridgeBytesOf, mostBytesOf, type Span } from '../sync/span.ts';
import type { ControlWords } from '../sync/words.ts';
import { checkAlike, type Facts, workersOnHost } from './alike.ts';
import { gatherJson, type Network, processNames, type TransportSetup } from './network.ts';

/** The layout of a world's ranks, for each thread of this process. */
export interface WorldSetup {
  readonly process: number;
  /** Worker count of each process. */
  readonly workers: readonly number[];
  readonly names: readonly string[];
  readonly transport: TransportSetup;
}

/** A world, as this process sees it. */
export interface LaunchPlace {
  readonly worldSize: number;
  readonly firstRank: number;
  readonly options: Pick<GroupOptions, 'threads' | 'bridgeBytes'>;
  readonly setup: WorldSetup;
}

interface Hello {
  readonly workers: number;
  readonly facts: Facts;
}

/** Without MPI, the number of mailboxes per process for split groups that span processes. */
const MAILBOXES = 8;

/** Exchanges worker counts with the other processes, and compares what must be the same in all of
 * them. */
export async function findPlace(
  network: Network,
  own: { readonly workers: number; readonly moduleUrl: string; readonly settings: Facts },
): Promise<LaunchPlace> {
  const facts = {
    'version of syncbn': packageVersion(),
    'the module of launch': nameOf(own.moduleUrl),
    ...own.settings,
  };
  const hellos = await gatherJson<Hello>(network, { workers: own.workers, facts });
  checkAlike(
    network,
    hellos.map((hello) => hello.facts),
  );
  const { process } = network;
  const workers = hellos.map((hello) => hello.workers);
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  const worldSize = sum(workers);
  if (worldSize > MOST_MEMBERS) {
    const allowed = `at most ${MOST_MEMBERS}`;
    throw new UsageError({ what: 'workers of all processes', given: worldSize, allowed });
  }
  const ranks = Array.from({ length: worldSize }, (_, rank) => rank);
  const members = ranksByProcess(workers, ranks);
  const span: Span = { process, members, slotBytes: DEFAULT_SLOT_BYTES };
  const links = 1 + MAILBOXES * network.processes;
  const capacitiesBytes = Array.from({ length: links }, () => mostBytesOf(span));
  const transport = await network.openTransports(capacitiesBytes);
  return {
    worldSize,
    firstRank: sum(workers.slice(0, process)),
    options: { threads: workersOnHost(network, workers), bridgeBytes: bridgeBytesOf(span) },
    setup: { process, workers, names: processNames(network), transport },
  };
}

/** Files may have different paths on other hosts. */
function nameOf(moduleUrl: string): string {
  return moduleUrl.startsWith('file:') ? basename(new URL(moduleUrl).pathname) : moduleUrl;
}

/** Runs the jobs of this process once all others are ready, and returns the results of all ranks in
 * rank order. This process's results are copies, too. */
export async function runAmong(
  { network, place }: { readonly network: Network; readonly place: LaunchPlace },
  words: ControlWords,
  run: () => Promise<readonly unknown[]>,
): Promise<unknown[]> {
  // No job should wait for threads that are still starting.
  await network.allGather(new Uint8Array(0));
  const results = await run();
  const abort = readAbort(words);
  // The jobs may have caught the errors of their calls, but the others have failed.
  if (abort !== undefined) throw new RunError({ rank: abort.rank, reason: abort.reason });
  const own = results.map((result, worker) => packResult(place.firstRank + worker, result));
  const all = await network.allGather(pack(own));
  return all.flatMap((bytes) => (unpack(bytes) as Uint8Array[]).map(unpack));
}

function packResult(rank: number, result: unknown): Uint8Array {
  try {
    return pack(result);
  } catch (error) {
    const details = {
      what: `the result of rank ${rank}`,
      problem: `cannot be sent to other processes (${messageOf(error)})`,
      hint: 'a copy of values in shared memory, such as array.slice()',
    };
    throw Object.assign(new UsageError(details), { cause: error });
  }
}

function pack(value: unknown): Uint8Array {
  const serializer = new Serializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

function unpack(bytes: Uint8Array): unknown {
  const deserializer = new Deserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}
