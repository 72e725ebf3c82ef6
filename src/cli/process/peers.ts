// The other processes of a command that an MPI launcher has started. The first one prints for all
// of them, and receives errors of the others.

import { hostname } from 'node:os';
import { RunError, UsageError } from '../../base/errors.ts';
import { messageOf } from '../../base/showError.ts';
import { findLauncher } from '../../mpi/launcher.ts';
import type { MpiNetwork } from '../../runtime/mpiNetwork.ts';
import { gatherJson, isOfPeer, type Network, tellFailure } from '../../runtime/network.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import { screen, warn } from '../output/screen.ts';
import { type Signal, wasContinued } from './signals.ts';
import { markFailed, missingProcesses, noteProcess } from './supervised.ts';

const launcher = findLauncher(process.env);
let network: MpiNetwork | undefined;
/** Whether errors may concern only this process. Errors in flags are the same in all. */
let hasBegun = false;

/** Call it before any output: all processes except the first are silent, and none of them has a
 * terminal, regardless of what the launcher provides. `canShare` is whether the command can share
 * its work. */
export function beginAmongPeers(command: string, canShare: boolean): void {
  if (launcher === undefined) return;
  screen.goPlain();
  if (launcher.rank !== 0) screen.goSilent();
  if (canShare) return;
  throw new UsageError({
    what: `syncbn ${command}`,
    problem: `runs in one process; ${launcher.name} started ${launcher.size}`,
    hint: 'the command without mpirun or srun',
  });
}

/** Whether a launcher has started this process with others. */
export function hasLauncher(): boolean {
  return launcher !== undefined;
}

/** Joins the others; undefined if there are none. */
export async function joinPeers(timeoutMs: number | undefined): Promise<MpiNetwork | undefined> {
  hasBegun = true;
  if (launcher === undefined) return undefined;
  noteProcess(launcher.rank);
  const { joinProcesses } = await import('../../runtime/mpiNetwork.ts');
  const { size } = launcher;
  network = await joinProcesses(timeoutMs, () => missingProcesses(size));
  return network;
}

/** Whether this process prints for all. */
export function isSpeaker(of: Network | undefined): boolean {
  return of === undefined || of.process === 0;
}

/** Reports an error to the others and to a supervisor, and prints it if they cannot be reached. */
export async function tellPeers(error: unknown): Promise<void> {
  if (launcher === undefined) return;
  if (network !== undefined) {
    await tellFailure(network, error);
    if (!isOfPeer(error) && !isOfWorker(error)) markFailed(messageOf(error));
    // The missing process is the one that prints for all.
    if (isOfSpeaker(error)) speakUp(launcher.rank, error);
  } else if (launcher.rank !== 0 && hasBegun) speakUp(launcher.rank, error);
}

function speakUp(rank: number, error: unknown): void {
  screen.speakUp();
  warn(`syncbn: process ${rank} on ${hostname()}: ${messageOf(error)}`);
  screen.goSilent();
}

function isOfSpeaker(error: unknown): boolean {
  return error instanceof RunError && error.failure.process === 0;
}

/** Whether a worker of this process has died or failed in a way that others might not. */
function isOfWorker(error: unknown): boolean {
  return error instanceof RunError && error.failure.rank !== undefined;
}

/** How long an ending process waits for the others to stop with it: Open MPI gives it a second. */
const TOGETHER_MS = 100;

/** Stops a run on a signal: with the others if they join, without them if the launcher is about to
 * kill all processes. */
export function stopAmongPeers(trainer: Trainer): void {
  trainer.stop();
  if (launcher === undefined || !wasContinued()) return;
  setTimeout(() => trainer.stop({ withoutPeers: true }), TOGETHER_MS).unref();
}

/** What all processes agree on. */
export interface Agreed {
  /** A signal that any of them has caught. */
  readonly caught: Signal | undefined;
  /** As measured by the first process. */
  readonly msPerStep: number;
}

/** Publishes this process's values, and agrees on common ones. */
export async function agreeOn(of: Network | undefined, own: Agreed): Promise<Agreed> {
  if (of === undefined) return own;
  const all = await gatherJson<{ readonly caught: Signal | null; readonly msPerStep: number }>(of, {
    ...own,
    caught: own.caught ?? null,
  });
  const caught = all.find((one) => one.caught !== null)?.caught ?? undefined;
  return { caught, msPerStep: all[0]!.msPerStep };
}
