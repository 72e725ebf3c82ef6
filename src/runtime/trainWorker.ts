// The worker's side of a Trainer: makes the same plan as the main thread, binds to the arena, and
// answers calls.

import type { StoredSamples } from '../data/stored/storedSamples.ts';
import { loadMpiAgain } from '../mpi/library.ts';
import { FIRST_LINK_TAG, MpiTransport } from '../mpi/mpiTransport.ts';
import { lossModulesOf } from '../nn/specs/lossModules.ts';
import { loadModules } from '../nn/specs/modules.ts';
import { customModulesOf } from '../nn/specs/spec.ts';
import type { RunConfig } from '../plan/config.ts';
import { planRun } from '../plan/plan.ts';
import { withFault } from '../sync/faultyTransport.ts';
import { LINK_PATIENCE, Link } from '../sync/link.ts';
import { MemoryTransport } from '../sync/memoryTransport.ts';
import type { Transport } from '../sync/transport.ts';
import { bindWorker, type TrainWorker } from '../train/worker.ts';
import { type GangTask, serveControl } from './control.ts';
import type { TransportSetup } from './network.ts';

/** The startup data of a training thread. */
export interface TrainData {
  readonly config: RunConfig;
  readonly memory: WebAssembly.Memory;
  readonly samples: StoredSamples;
  readonly module: WebAssembly.Module;
  /** Present on the first worker if there are other processes. */
  readonly network?: { readonly transport: TransportSetup; readonly names: readonly string[] };
}

/** The api of a training thread. */
export type TrainApi = TrainWorker;

/** Runs a training thread from start to end. */
export function serveTraining(task: GangTask<TrainData>): Promise<number> {
  return serveControl<TrainData, TrainApi>(task, async ({ data, rank }) => {
    const { config, memory, samples, module, network } = data;
    await loadModules([...customModulesOf(config.model), ...lossModulesOf(config)], true);
    const transports = network === undefined || rank !== 0 ? [] : openTransports(network.transport);
    const links = transports.map((transport) => {
      const timeoutMs = LINK_PATIENCE * config.timeoutMs;
      return new Link({ transport, memory, names: network!.names, timeoutMs });
    });
    return bindWorker({ plan: planRun(config), module, memory, samples, rank, links });
  });
}

function openTransports(setup: TransportSetup): readonly Transport[] {
  if (setup.kind === 'mpi') {
    const library = loadMpiAgain(setup.file);
    return Array.from({ length: setup.count }, (_, link) => {
      return new MpiTransport(library, FIRST_LINK_TAG + link, setup.lock);
    });
  }
  const { mailboxes, process, fault } = setup;
  const transports = mailboxes.map((boxes) => new MemoryTransport(boxes, process));
  return fault === undefined ? transports : withFault(transports, fault);
}
