// The other processes of a command that an MPI launcher has started. The first one speaks for all;
// what goes wrong in another one reaches it.

import { hostname } from 'node:os';
import { UsageError } from '../../base/errors.ts';
import { messageOf } from '../../base/showError.ts';
import { findLauncher } from '../../mpi/launcher.ts';
import { joinProcesses } from '../../runtime/mpiNetwork.ts';
import { gatherJson, type Network, tellFailure } from '../../runtime/network.ts';
import { screen, warn } from '../output/screen.ts';
import type { CaughtSignals, Signal } from './signals.ts';

const launcher = findLauncher(process.env);
let network: Network | undefined;
/** Whether what goes wrong may be of this process alone: flags are the same in all. */
let hasBegun = false;

/** To be called before anything is said: all processes but the first are silent, and none of them
 * has a terminal, whatever the launcher gives them. `canShare` is whether the command can share its
 * work. */
export function beginAmongPeers(command: string, canShare: boolean): void {
  if (launcher === undefined) return;
  screen.goPlain();
  if (launcher.rank !== 0) screen.goSilent();
  if (canShare) return;
  throw new UsageError({
    what: `syncbn ${command}`,
    given: `${launcher.size} processes, started by ${launcher.name}`,
    allowed: 'one process',
    hint: 'the command without mpirun or srun',
  });
}

/** Joins the others; undefined where there are none. */
export async function joinPeers(): Promise<Network | undefined> {
  hasBegun = true;
  network = await joinProcesses();
  return network;
}

/** Whether this process speaks for all. */
export function isSpeaker(of: Network | undefined): boolean {
  return of === undefined || of.process === 0;
}

/** Lets the others know of an error; says it where they cannot be reached. */
export async function tellPeers(error: unknown): Promise<void> {
  if (launcher === undefined) return;
  if (network !== undefined) {
    await tellFailure(network, error);
  } else if (launcher.rank !== 0 && hasBegun) {
    screen.speakUp();
    warn(`syncbn: process ${launcher.rank} on ${hostname()}: ${messageOf(error)}`);
    screen.goSilent();
  }
}

/** The signal that all processes go by: one that any of them has caught. */
export async function agreedSignal(
  of: Network | undefined,
  { caught }: Pick<CaughtSignals, 'caught'>,
): Promise<Signal | undefined> {
  if (of === undefined) return caught;
  const all = await gatherJson<Signal | null>(of, caught ?? null);
  return all.find((signal) => signal !== null) ?? undefined;
}
