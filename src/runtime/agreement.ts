// Before the first step, processes tell each other what they are about to do. Whatever decides the
// bits must be the same in all of them. A difference is an error that names both processes and what
// differs.

import { RunError } from '../base/errors.ts';
import { packageVersion } from '../base/version.ts';
import { hashState, type StateTensor } from '../checkpoint/state.ts';
import type { DatasetDescription } from '../data/identity.ts';
import { engineName, kernelsOf } from '../kernels/identity.ts';
import type { RunConfig } from '../plan/config.ts';
import type { ProcessPlace } from '../reduce/grains.ts';
import { checkAlike, type Facts, workersOnHost } from './alike.ts';
import { gatherJson, type Network, processNames } from './network.ts';

interface Hello {
  readonly workers: number;
  readonly facts: Facts;
}

const HINTS: Facts = {
  'version of syncbn': 'the same version on all hosts',
  data: 'the same files on all hosts',
  'step to continue from': 'the same checkpoint on all hosts',
  engine: "mode: 'strict' (--strict), whose bits do not depend on the engine",
};

/** Compares this run with those of the other processes, and returns the ranks of its workers.
 * Throws the same {@link UsageError} in all processes. */
export async function agree(
  network: Network,
  run: {
    readonly config: RunConfig;
    readonly data: DatasetDescription;
    readonly step: number;
  },
): Promise<ProcessPlace> {
  const hellos = await gatherJson<Hello>(network, {
    workers: run.config.workers,
    facts: factsOf(run),
  });
  checkAlike(
    network,
    hellos.map(({ facts }) => facts),
    HINTS,
  );
  const { process } = network;
  const workers = hellos.map((hello) => hello.workers);
  return { process, workers, localWorkers: workersOnHost(network, workers) };
}

/** Compares the states of all processes, which must be equal bit for bit; `what` names them in
 * errors. Throws the same error in all processes. */
export async function compareStates(
  network: Network,
  tensors: readonly StateTensor[],
  what: string,
): Promise<void> {
  checkHashes(network, await gatherJson(network, hashState(tensors)), what);
}

/** Compares states by their hashes, when those of all processes are known. */
export function checkHashes(network: Network, hashes: readonly string[], what: string): void {
  const differing = hashes.findIndex((hash) => hash !== hashes[0]);
  if (differing < 0) return;
  const names = processNames(network);
  throw new RunError({
    reason:
      `the ${what} of ${names[differing]} (${hashes[differing]!.slice(0, 16)}) ` +
      `differs from that of ` +
      `${names[0]} (${hashes[0]!.slice(0, 16)}).`,
    hint: "mode: 'strict' (--strict) if processors differ; if not, one host computes wrong bits",
  });
}

function factsOf({ config, data, step }: Parameters<typeof agree>[1]): Facts {
  const { model, workers: _workers, place: _place, mode, ...settings } = config;
  const { timeoutMs: _timeoutMs, profile: _profile, data: _data, ...mostly } = settings;
  const { microBatches: _parts, arenaBytes: _arenaBytes, ...deciding } = mostly;
  return {
    'version of syncbn': packageVersion(),
    mode,
    kernels: kernelsOf(mode),
    // The bits of fast kernels may depend on the engine and the processor.
    ...(mode === 'fast' && { engine: engineName() }),
    model: JSON.stringify(model),
    ...Object.fromEntries(
      Object.entries(deciding).map(([name, value]) => [name, JSON.stringify(value ?? null)]),
    ),
    data: `${data.name}, ${data.contentHash ?? data.checksum}`,
    'step to continue from': `${step}`,
  };
}
