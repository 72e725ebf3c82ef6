// `syncbn doctor --mpi`: what a run of several processes would find: the library, its launcher, the
// cores of each process, how long exchanges take, and whether the bits are those of a single
// process.

import { synthetic } from '../../data/named/synthetic.ts';
import { namedModel } from '../../nn/models/models.ts';
import { sgd } from '../../optim/optimizer.ts';
import type { MpiNetwork } from '../../runtime/mpiNetwork.ts';
import type { ExchangeTimes } from '../../runtime/mpiThread.ts';
import type { Network } from '../../runtime/network.ts';
import { startOn } from '../../runtime/start.ts';
import type { TrainerOptions } from '../../runtime/trainerOptions.ts';
import { say, screen } from '../output/screen.ts';
import { printTable } from '../output/tables.ts';
import { EXIT_FAILED } from '../process/failure.ts';
import { isSpeaker, joinPeers } from '../process/peers.ts';
import type { Flags } from '../settings/flags.ts';
import { spreadFrom } from '../settings/spreadFlags.ts';

const SIZES = [64, 1536, 8192, 65_536, 262_144, 1_048_576];

export async function runMpiDoctor(flags: Flags): Promise<number> {
  const network = await joinPeers(flags.integer('timeout-ms', 1));
  if (network === undefined) {
    const { runSpread } = await import('./spreadCommand.ts');
    const spread = spreadFrom(flags) ?? {
      ...{ hosts: undefined, hostfile: undefined, processes: 2, maxRestarts: 0, isDryRun: false },
    };
    return runSpread(spread, process.argv.slice(2));
  }
  const times: ExchangeTimes[] = [];
  for (const size of SIZES) times.push(await network.measure(size));
  const hashes = { one: await hashOf(undefined), all: await hashOf(network) };
  const isSame = hashes.one === hashes.all;
  if (isSpeaker(network)) {
    if (flags.isSet('json')) {
      const { library, facts, notices } = network;
      screen.sayJson({ event: 'mpi', ...library, processes: facts, times, isSame, notices });
    } else show(network, times, isSame);
  }
  return isSame ? 0 : EXIT_FAILED;
}

/** The weights after a short training: with the others, or separately in each process. */
async function hashOf(network: Network | undefined): Promise<string> {
  const data = synthetic({ train: 64, test: 8, shape: [8, 8, 3], classes: 4, seed: 1 });
  const options: TrainerOptions = {
    model: namedModel('refnet', { inputShape: data.inputShape, classes: 4 }),
    norm: { to: 'sync' },
    data,
    optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
    globalBatch: 32,
    grains: 32,
    workers: 1,
    onNotice() {},
  };
  const trainer = await startOn(network, options);
  try {
    for await (const _ of trainer.fit({ epochs: 2 }));
    return trainer.weightsHash();
  } finally {
    await trainer.close();
  }
}

function show(network: MpiNetwork, times: readonly ExchangeTimes[], isSame: boolean): void {
  const { library, hosts, processes, facts, notices } = network;
  say(`${library.file} (${library.family}), started by ${library.launcher}: ${library.version}`);
  say(`${processes} processes on ${[...new Set(hosts)].join(', ')}`);
  printTable(
    facts.map(({ host, cores, coresOfHost }, process) => ({
      process: `${process}`,
      host,
      cores: `${cores} of ${coresOfHost}`,
    })),
  );
  say('Exchanges between all processes, as in each synchronized norm:');
  printTable(
    times.map(({ sizeBytes, mean, p50, p99 }) => ({
      bytes: `${sizeBytes}`,
      'us mean': mean.toFixed(1),
      p50: p50.toFixed(1),
      p99: p99.toFixed(1),
    })),
  );
  say(isSame ? 'Bits: the same as in one process.' : 'Bits: NOT the same as in one process.');
  for (const notice of notices) say(notice);
}
