// `syncbn simulate --hosts`: a step of this library on several hosts. A host's computation is
// measured here, exchanges between hosts are predicted.

import { availableParallelism } from 'node:os';
import { showShape } from '../../base/shape.ts';
import { resolveOptions, type TrainerOptions } from '../../runtime/trainerOptions.ts';
import { planHosts, predictHosts } from '../../simulate/hosts.ts';
import { type HostsSimulation, hostsEventsOf, hostsFilesOf } from '../../simulate/hostsDocument.ts';
import { usPerByte } from '../../simulate/links.ts';
import { measureShares } from '../../simulate/measureHosts.ts';
import { totalsOf } from '../../simulate/network.ts';
import { checkNumerics } from '../../simulate/numerics.ts';
import { WARM_UP_STEPS } from '../../simulate/turns.ts';
import { prepareFolder, typedCommand } from '../output/outFolder.ts';
import { say } from '../output/screen.ts';
import { printTable } from '../output/tables.ts';
import { paint } from '../output/text.ts';
import type { Flags } from '../settings/flags.ts';
import { globalBatchFrom, linkFrom } from '../settings/hostsSettings.ts';
import {
  countsFrom,
  measuredSamples,
  netFrom,
  roundsFrom,
  seedFrom,
  TURN_MS,
  trainingOf,
} from '../settings/simulateSettings.ts';
import { endSimulation } from './simulateEnd.ts';
import { showMs, showNumber, showPercent } from './simulateTables.ts';

export async function runSimulateHosts(flags: Flags): Promise<number> {
  const out = flags.text('out');
  const net = await netFrom(flags, 'measured');
  // All others are compared with a single host.
  const counts = [...new Set([1, ...countsFrom(flags, 'hosts')!])];
  const globalBatch = globalBatchFrom(flags);
  const { link, fit } = linkFrom(flags);
  const rounds = roundsFrom(flags);
  const seed = seedFrom(flags);
  const workers = flags.integer('workers', 1);
  const options: TrainerOptions = {
    ...trainingOf(net, measuredSamples(globalBatch), seed),
    ...{ norm: { to: 'sync' }, replicas: 1, globalBatch, dropLast: true, seed },
    ...(workers !== undefined && { workers }),
  };
  const cores = availableParallelism();
  const plans = counts.map((hosts) =>
    planHosts(resolveOptions(options, { cores, processes: hosts }), hosts),
  );
  const replicaBatch = plans.reduce((sum, { share }) => sum + share.samples, 0);
  const steps = rounds + WARM_UP_STEPS;
  checkNumerics(net.network, { replicas: 1, replicaBatch, steps, norms: 1 });
  if (out !== undefined) await prepareFolder(out);

  const shares = plans.map(({ share }) => share);
  const computeMs = await measureShares(options, shares, { rounds, turnMs: TURN_MS });
  const predictions = predictHosts(plans, computeMs, { link, globalBatch });
  const simulation = { network: net.network, globalBatch, link, fit, predictions };
  await endSimulation(flags, {
    events: () => hostsEventsOf(simulation),
    show: () => show(simulation),
    files: () => hostsFilesOf(simulation, typedCommand()),
  });
  return 0;
}

function show({ network, globalBatch, link, fit, predictions }: HostsSimulation): void {
  const { parameters, normLayers } = totalsOf(network);
  const speed = `${showNumber(8 / (1000 * usPerByte(link)))} Gbit/s`;
  say(`${network.name}, ${showShape(network.inputShape)}: ${parameters} parameters, \
${normLayers} norms, synchronized`);
  const workers = [...new Set(predictions.map((step) => step.workers))];
  say(`a global batch of ${globalBatch}; ${workers.join(' to ')} workers per host`);
  say(`link ${link.name}: ${showNumber(link.latencyUs)} us, ${speed}`);
  if (fit !== undefined) {
    say(paint('bold', '\nReal: the exchanges that the doctor measured, and the link'));
    printTable(
      fit.points.map(({ sizeBytes, measuredUs, fittedUs, error }) => ({
        bytes: `${sizeBytes}`,
        'measured us': showNumber(measuredUs),
        'fitted us': showNumber(fittedUs),
        error: `${error < 0 ? '' : '+'}${showPercent(error)}`,
      })),
    );
    if (fit.isWithinHost) say('Its processes were all on one host: the link is its memory.');
  }
  say(paint('bold', '\nSimulated: a step in ms; compute was measured here'));
  printTable(
    predictions.map((step) => ({
      hosts: `${step.hosts}`,
      samples: `${step.samples}`,
      step: showMs(step.ms),
      compute: showMs(step.computeMs),
      statistics: showMs(step.statisticsMs),
      gradients: showMs(step.gradientsMs),
      'img/s': `${Math.round(step.imagesPerSecond)}`,
      scaling: showPercent(step.efficiency),
    })),
  );
}
