// A simulation on the terminal: tables, each with a heading that says whether it is simulated or
// real.

import { showShape } from '../../base/shape.ts';
import { totalsOf } from '../../simulate/network.ts';
import type { Numerics } from '../../simulate/numerics.ts';
import { type DevicesPrediction, MAX_BATCH, type ScaledStep } from '../../simulate/predict.ts';
import type { ReportCheck } from '../../simulate/reports.ts';
import type { MeasuredMachine, Simulation } from '../../simulate/simulation.ts';
import type { Job } from '../../simulate/step.ts';
import { say } from '../output/screen.ts';
import { printTable } from '../output/tables.ts';
import { paint } from '../output/text.ts';

export function showSimulation(simulation: Simulation): void {
  const { job, share, predictions, machine, numerics, reports } = simulation;
  if (machine !== undefined) showMachine(machine);
  say(jobLines(job));
  say(paint('bold', '\nSimulated: a step in ms, and the effect of SyncBN'));
  printTable(predictions.map(stepRow));
  say(paint('bold', 'Simulated: ms of compute + statistics + gradients'));
  printTable(predictions.map(partsRow));
  say(paint('bold', 'Simulated: per-device batch from which SyncBN'));
  printTable(breakEvenRows(predictions, share));
  if (numerics !== undefined) showNumerics(numerics);
  if (reports !== undefined) showReports(reports);
}

/** What is simulated, and with which figures. */
export function jobLines(job: Job): string {
  const { network, device, cluster, replicaBatch, algorithm, statistics, groupSize } = job;
  const { macsForward, parameters, normLayers } = totalsOf(network);
  const { intra, inter, devicesPerNode, cards } = cluster;
  const peak = showNumber(device.teraflops);
  const attained = showNumber(device.teraflops * device.flopsShare);
  const memory = showNumber(device.gigabytesPerSecond * device.memoryShare);
  const who = groupSize === null ? 'all devices' : `${groupSize} devices`;
  const gmacs = `${showNumber(macsForward / 1e9)} GMAC forward`;
  return [
    `${network.name}, ${showShape(network.inputShape)}: ${gmacs}, ${parameters} parameters, \
${normLayers} norms`,
    `${device.name}, ${replicaBatch} samples per device: ${attained} of ${peak} TFLOP/s, \
${memory} GB/s, ${showNumber(device.callUs)} us per call`,
    `nodes of ${devicesPerNode}: ${linkText(intra)} within,`,
    `${cards} x ${linkText(inter)} between; ${algorithm} collectives`,
    `statistics of ${who}, ${statistics}`,
  ].join('\n');
}

function linkText({ name, latencyUs, gigabytesPerSecond }: Job['cluster']['intra']): string {
  return `${name} (${showNumber(latencyUs)} us, ${showNumber(gigabytesPerSecond)} GB/s)`;
}

function stepRow({ devices, steps, syncShare }: DevicesPrediction): Record<string, string> {
  const { BN, SyncBN, GroupNorm } = steps;
  return {
    devices: `${devices}`,
    BN: showMs(BN.ms),
    SyncBN: showMs(SyncBN.ms),
    GroupNorm: showMs(GroupNorm.ms),
    'SyncBN adds': `+${showPercent(syncShare)}`,
    'its img/s': `${Math.round(SyncBN.imagesPerSecond)}`,
    'its scaling': showPercent(SyncBN.efficiency),
  };
}

function partsRow({ devices, steps }: DevicesPrediction): Record<string, string> {
  const parts = ({ computeMs, statisticsMs, gradientsMs }: ScaledStep): string =>
    [computeMs, statisticsMs, gradientsMs].map(showMs).join(' + ');
  const { BN, SyncBN, GroupNorm } = steps;
  return {
    devices: `${devices}`,
    BN: parts(BN),
    SyncBN: parts(SyncBN),
    GroupNorm: parts(GroupNorm),
  };
}

function breakEvenRows(
  predictions: readonly DevicesPrediction[],
  share: number,
): Record<string, string>[] {
  const show = (batch: number | null): string => (batch === null ? `> ${MAX_BATCH}` : `${batch}`);
  const several = predictions.filter(({ devices }) => devices > 1);
  return several.map(({ devices, breakEvenBatch, groupNormBatch }) => ({
    devices: `${devices}`,
    [`adds at most ${showPercent(share)} to BN`]: show(breakEvenBatch),
    'takes no longer than GroupNorm': show(groupNormBatch),
  }));
}

function showMachine({ replicaBatch, measurements, checks }: MeasuredMachine): void {
  const { oneLocal, oneLocalHalf, alone, together, probe } = measurements.calibration;
  say(paint('bold', `Real: this machine, 2 replicas of ${replicaBatch} samples`));
  printTable(
    [
      ['1 worker, local norms', `${showMs(oneLocal)} ms a step`],
      ['the same at half the batch', `${showMs(oneLocalHalf)} ms a step`],
      ['1 replica alone', `${showMs(alone)} ms a step`],
      ['during another such run', `${showMs(together)} ms a step`],
      ['slower of two over their mean', `x${probe.stragglers.toFixed(3)}`],
      ['barrier of 2', `${showNumber(probe.barrierUs)} us`],
      ['all-reduce of the gradients', `${showNumber(probe.allReduceUs)} us`],
      ['copy', `${showNumber(0.008 / probe.copyUsPerNumber)} GB/s`],
    ].map(([what, value]) => ({ 'calibrated from': what!, measured: value! })),
  );
  say(paint('bold', 'Predicted from these, and measured'));
  printTable(
    checks.map(({ what, predicted, measured, unit, error }) => ({
      what,
      predicted: unit === 'ms' ? `${showMs(predicted)} ms` : `x${predicted.toFixed(3)}`,
      measured: unit === 'ms' ? `${showMs(measured)} ms` : `x${measured.toFixed(3)}`,
      error: `${error < 0 ? '' : '+'}${showPercent(error)}`,
    })),
  );
}

function showNumerics(numerics: Numerics): void {
  const { replicas, replicaBatch, steps, localLosses, syncLosses, divergence } = numerics;
  const run = `${steps} steps of ${replicas} replicas x ${replicaBatch} samples`;
  say(paint('bold', `Real: ${run}, with the statistics of ${replicas} devices`));
  const shown = [...new Set([0, Math.floor((steps - 1) / 2), steps - 1])];
  printTable(
    shown.map((step) => ({
      step: `${step + 1}`,
      'loss, BN of each device': localLosses[step]!.toFixed(4),
      'loss, SyncBN': syncLosses[step]!.toFixed(4),
    })),
  );
  say(`Weights differ by ${showPercent(numerics.weightDifference)} after the last step.`);
  if (divergence.length === 0) return;
  say('Shards against the global batch in the last step: the furthest replica of each layer:');
  const worst = divergence.toSorted((a, b) => b.meanShift - a.meanShift).slice(0, LAYERS_SHOWN);
  printTable(
    worst.map(({ layer, meanShift, varianceFactor }) => ({
      layer,
      'means apart': `${showNumber(meanShift)} std`,
      variances: `x${showNumber(varianceFactor)}`,
    })),
  );
}

const LAYERS_SHOWN = 5;

function showReports(reports: readonly ReportCheck[]): void {
  say(paint('bold', 'Published figures, and the predictions of the model (see docs/simulate.md)'));
  printTable(
    reports.map(({ question, reported, predicted, ratio, unit }) => ({
      question,
      reported: [...new Set(reported.map((value) => showIn(value, unit)))].join(' to '),
      predicted: showIn(predicted, unit),
      ratio: ratio.toFixed(2),
    })),
  );
  say('Ratio: predicted / reported. For times, only the addition counts: 1.3 versus 1.2 is 1.50.');
}

function showIn(value: number, unit: ReportCheck['unit']): string {
  return unit === 'times' ? `x${value.toPrecision(3)}` : `${Math.round(value)} img/s`;
}

export function showMs(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms.toFixed(ms >= 10 ? 1 : 2);
}

export function showNumber(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(3);
}

export function showPercent(share: number): string {
  return `${(share * 100).toFixed(Math.abs(share) < 0.1 ? 1 : 0)} %`;
}
