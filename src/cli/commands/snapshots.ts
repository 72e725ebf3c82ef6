// What a supervised run of several processes keeps so that a death costs little. Each process
// regularly writes its state to memory, alternating between two files. After a death, all continue
// from the newest state that any survivor holds. All states of one step are equal, so any one will
// do.

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointNote } from '../../checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../checkpoint/checkpointFile.ts';
import { SUPERVISED_VARIABLE } from '../../mpi/launcher.ts';
import { gatherJson, type Network } from '../../runtime/network.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import { SNAPSHOTS_VARIABLE } from '../process/supervised.ts';

/** Each snapshot stops the steps for some milliseconds. At this interval, that costs about a
 * percent. */
const INTERVAL_MS = 1500;
/** Used until the time per step is known. */
const FIRST_INTERVAL_STEPS = 20;

const folderOf = (): string | undefined =>
  process.env[SNAPSHOTS_VARIABLE] === undefined ? undefined : process.env[SUPERVISED_VARIABLE];

/** The newest state that any process holds, for all of them; undefined if there is none. */
export async function newestSnapshot(network: Network): Promise<Uint8Array | undefined> {
  const folder = folderOf();
  if (folder === undefined) return undefined;
  const own = await newestIn(folder);
  const steps = await gatherJson(network, own?.step ?? -1);
  const newest = Math.max(...steps);
  if (newest < 0) return undefined;
  const holder = steps.indexOf(newest);
  const isHolder = holder === network.process;
  const all = await network.allGather(isHolder ? await readFile(own!.path) : new Uint8Array());
  return all[holder];
}

interface Held {
  readonly path: string;
  readonly step: number;
}

/** The newest complete snapshot in a folder, from any process on this host. */
async function newestIn(folder: string): Promise<Held | undefined> {
  let names: readonly string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.ckpt'));
  } catch {
    // This host has had no process yet.
    return undefined;
  }
  let newest: Held | undefined;
  for (const path of names.map((name) => join(folder, name))) {
    try {
      const { counters } = (await openCheckpoint(path)).head;
      if (newest === undefined || counters.step > newest.step) {
        newest = { path, step: counters.step };
      }
    } catch {
      // The process died while it wrote: the previous snapshot is complete.
    }
  }
  return newest;
}

/** Writes the snapshots of one process. */
export interface SnapshotWriter {
  /** Steps between two snapshots; `Infinity` if none are kept. */
  readonly interval: number;
  /** Writes the current state. `msPerStep` is the same in all processes. */
  write(msPerStep: number): Promise<void>;
  /** Removes this process's files when the run is over. */
  release(): void;
}

export function snapshotWriter(
  trainer: Trainer,
  network: Network | undefined,
  note: CheckpointNote,
): SnapshotWriter {
  const folder = network === undefined ? undefined : folderOf();
  if (folder === undefined) {
    return { interval: Number.POSITIVE_INFINITY, async write() {}, release() {} };
  }
  mkdirSync(folder, { recursive: true });
  const paths = [0, 1].map((turn) => join(folder, `process ${network!.process} ${turn}.ckpt`));
  let turn = 0;
  let interval = FIRST_INTERVAL_STEPS;
  return {
    get interval() {
      return interval;
    },
    async write(msPerStep) {
      turn = 1 - turn;
      await trainer.save(paths[turn]!, { overwrite: true, ofEachProcess: true, note });
      if (msPerStep > 0) interval = Math.max(1, Math.ceil(INTERVAL_MS / msPerStep));
    },
    release() {
      for (const path of paths) rmSync(path, { force: true });
    },
  };
}
