// The worker's side of launch: loads the caller's module and runs its default export as a group
// member.

import { UsageError } from '../base/errors.ts';
import { defaultExportHint, importFailure } from '../base/importing.ts';
import { instantiateCollectiveKernels } from '../kernels/load.ts';
import { loadMpiAgain } from '../mpi/library.ts';
import { FIRST_GROUP_TAG, MAX_TAG, MpiTransport } from '../mpi/mpiTransport.ts';
import { withFault } from '../sync/faultyTransport.ts';
import type { Group } from '../sync/group.ts';
import type { GroupMemory } from '../sync/memory.ts';
import { MemoryTransport } from '../sync/memoryTransport.ts';
import type { Peers } from '../sync/peers.ts';
import { attachGroup } from '../sync/split.ts';
import { type GangTask, serveControl } from './control.ts';
import type { WorldSetup } from './launchPlace.ts';

export interface LaunchData {
  readonly moduleUrl: string;
  readonly memory: GroupMemory;
  readonly kernels: WebAssembly.Module;
  readonly args: unknown;
  /** Present if there are other processes. */
  readonly world: WorldSetup | undefined;
}

/** What a job gets. */
export interface JobContext<Args = unknown> {
  /** From 0, counted over all processes. */
  readonly rank: number;
  /** Number of ranks, over all processes. */
  readonly worldSize: number;
  /** The group of all ranks. */
  readonly group: Group;
  /** A copy of the `args` given to `launch`. */
  readonly args: Args;
}

/** The type of a launched module's default export. */
export type Job<T = unknown, Args = unknown> = (context: JobContext<Args>) => T | Promise<T>;

/** What the main thread calls. */
export interface LaunchApi {
  run(): Promise<unknown>;
}

/** Serves one launched job until the main thread has its result. */
export function serveLaunch(task: GangTask<LaunchData>): Promise<number> {
  const { rank, worldSize, data } = task;
  return serveControl<LaunchData, LaunchApi>(task, async () => {
    const job = await loadJob(data.moduleUrl);
    const kernels = instantiateCollectiveKernels(data.kernels, data.memory.memory);
    const peers = data.world && peersIn(data.world);
    const { group, finish } = attachGroup(data.memory, rank, kernels, peers);
    return {
      run: async () => {
        const result = await job({ rank, worldSize, group, args: data.args });
        finish();
        return result;
      },
    };
  });
}

/** The other processes, and how groups open transports to them. */
function peersIn({ process, workers, names, transport }: WorldSetup): Peers {
  const processes = workers.length;
  if (transport.kind === 'mpi') {
    const { file, lock } = transport;
    return {
      ...{ process, workers, names },
      mostLinks: Math.floor((MAX_TAG - FIRST_GROUP_TAG) / processes) - 1,
      open({ index, owner }) {
        return new MpiTransport(
          loadMpiAgain(file),
          FIRST_GROUP_TAG + index * processes + owner,
          lock,
        );
      },
    };
  }
  const { mailboxes, fault } = transport;
  return {
    ...{ process, workers, names },
    mostLinks: (mailboxes.length - 1) / processes,
    open({ index, owner, generation }) {
      const boxes = mailboxes[index === 0 ? 0 : 1 + (index - 1) * processes + owner]!;
      const opened = new MemoryTransport(boxes, process, generation);
      return fault === undefined ? opened : withFault([opened], fault)[0]!;
    },
  };
}

async function loadJob(moduleUrl: string): Promise<Job> {
  let loaded: { readonly default?: unknown };
  try {
    loaded = await import(moduleUrl);
  } catch (error) {
    const details = { what: `the module of launch, ${moduleUrl},`, ...importFailure(error) };
    throw Object.assign(new UsageError(details), { cause: error });
  }
  if (typeof loaded.default === 'function') return loaded.default as Job;
  const example = 'export default function job({ rank, worldSize, group, args }) { ... }';
  throw new UsageError({
    what: `the default export of ${moduleUrl}`,
    given: typeof loaded.default,
    allowed: 'a function',
    hint: defaultExportHint(loaded.default, example),
  });
}
