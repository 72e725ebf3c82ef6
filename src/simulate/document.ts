// The files of a simulation as text: a CSV table, events as JSON lines, two plots, one page. The
// page says for every figure whether it is simulated or real.

import { showShape } from '../base/shape.ts';
import { type Block, renderPage, type Section } from '../report/page.ts';
import { linePlot } from '../report/plot.ts';
import { totalsOf } from './network.ts';
import type { Numerics } from './numerics.ts';
import { type DevicesPrediction, MAX_BATCH, type ScaledStep } from './predict.ts';
import type { ReportCheck } from './reports.ts';
import { eventsOf, type MeasuredMachine, type Simulation } from './simulation.ts';
import type { Job } from './step.ts';
import { NORMS } from './tasks.ts';

export interface SimulationFile {
  readonly name: string;
  readonly text: string;
}

const CSV_COLUMNS = [
  'devices',
  'norm',
  'step_ms',
  'compute_ms',
  'statistics_ms',
  'gradients_ms',
  'forward_ms',
  'images_per_second',
  'efficiency',
] as const;

/** All files of a simulation. `command` is the one that made them. */
export function filesOf(simulation: Simulation, command: string): readonly SimulationFile[] {
  const steps = stepPlot(simulation);
  const costs = costPlot(simulation);
  const events = eventsOf(simulation).map((event) => `${JSON.stringify(event)}\n`);
  return [
    { name: 'results.csv', text: csvOf(simulation.predictions) },
    { name: 'results.jsonl', text: events.join('') },
    { name: 'steps.svg', text: steps },
    { name: 'batches.svg', text: costs },
    { name: 'report.html', text: pageOf(simulation, { command, steps, costs }) },
  ];
}

function csvOf(predictions: readonly DevicesPrediction[]): string {
  const rows = predictions.flatMap(({ devices, steps }) =>
    NORMS.map((norm) => {
      const step = steps[norm];
      const { ms, computeMs, statisticsMs, gradientsMs, forwardMs } = step;
      const times = [ms, computeMs, statisticsMs, gradientsMs, forwardMs].map(fixed);
      const rates = [fixed(step.imagesPerSecond), fixed(step.efficiency)];
      return [devices, norm, ...times, ...rates].join(',');
    }),
  );
  return `${[CSV_COLUMNS.join(','), ...rows].join('\n')}\n`;
}

function stepPlot({ job, predictions }: Simulation): string {
  return linePlot({
    title: `Simulated step of ${job.network.name} on ${job.device.name}`,
    xLabel: 'devices',
    yLabel: 'ms a step',
    xScale: 'log',
    series: NORMS.map((norm) => ({
      name: norm,
      points: predictions.map(({ devices, steps }) => ({ x: devices, y: steps[norm].ms })),
      // A solid line would hide that of BN if both take equally long.
      ...(norm === 'GroupNorm' && { style: 'dashed' as const }),
    })),
  });
}

function costPlot({ job, batchCosts }: Simulation): string {
  const devices = batchCosts[0]?.devices ?? 1;
  return linePlot({
    title: `Time added to a step with BN on ${devices} ${job.device.name}, simulated`,
    xLabel: 'samples per device',
    yLabel: '% of the step',
    xScale: 'log',
    series: [
      {
        name: 'SyncBN',
        points: batchCosts.map((cost) => ({ x: cost.replicaBatch, y: 100 * cost.syncShare })),
      },
      {
        name: 'GroupNorm',
        points: batchCosts.map((cost) => ({ x: cost.replicaBatch, y: 100 * cost.groupNormShare })),
        style: 'dashed',
      },
    ],
  });
}

interface PageParts {
  readonly command: string;
  readonly steps: string;
  readonly costs: string;
}

function pageOf(simulation: Simulation, { command, steps, costs }: PageParts): string {
  const { job, machine, numerics, reports, predictions, share } = simulation;
  const caption = 'Simulated. Sources and formulas: docs/simulate.md.';
  const sections: Section[] = [
    { heading: 'What is simulated', blocks: [{ kind: 'command', text: command }, jobTable(job)] },
    {
      heading: 'Time of a step',
      blocks: [{ kind: 'plot', svg: steps, caption }, stepTable(predictions)],
    },
    {
      heading: 'When SyncBN is cheap',
      blocks: [{ kind: 'plot', svg: costs, caption }, breakEvenTable(predictions, share)],
    },
    ...(machine === undefined ? [] : [machineSection(machine)]),
    ...(numerics === undefined ? [] : [numericsSection(numerics)]),
    ...(reports === undefined ? [] : [reportsSection(reports)]),
  ];
  const lead =
    'Times are predicted by a cost model. Sections marked "real" were computed or measured here.';
  return renderPage({ title: `${job.network.name} on many ${job.device.name}`, lead, sections });
}

function jobTable({ network, device, cluster, ...job }: Job): Block {
  const { macsForward, parameters, normLayers } = totalsOf(network);
  const { intra, inter, devicesPerNode, cards } = cluster;
  const link = ({ name, latencyUs, gigabytesPerSecond, source }: typeof intra): string =>
    `${name}: ${fixed(latencyUs)} us, ${fixed(gigabytesPerSecond)} GB/s (${source})`;
  const share = `${fixed(device.flopsShare * 100)} % of ${fixed(device.teraflops)} TFLOP/s`;
  return {
    kind: 'table',
    columns: ['setting', 'value'],
    rows: [
      ['network', `${network.name}, ${showShape(network.inputShape)}`],
      ['forward', `${fixed(macsForward / 1e9)} GMAC a sample`],
      ['parameters', parameters],
      ['normalizations', normLayers],
      ['device', `${device.name}: ${share} (${device.source})`],
      ['a call', `${fixed(device.callUs)} us`],
      ['within a node', `${devicesPerNode} devices, ${link(intra)}`],
      ['between nodes', `${cards} cards, ${link(inter)}`],
      ['samples per device', job.replicaBatch],
      ['collectives', job.algorithm],
      ['statistics', job.groupSize === null ? 'over all devices' : `of ${job.groupSize} devices`],
    ],
  };
}

function stepTable(predictions: readonly DevicesPrediction[]): Block {
  const cells = (step: ScaledStep): (string | number)[] => [
    fixed(step.ms),
    [step.computeMs, step.statisticsMs, step.gradientsMs].map(fixed).join(' + '),
    Math.round(step.imagesPerSecond),
    `${fixed(step.efficiency * 100)} %`,
  ];
  return {
    kind: 'table',
    columns: [
      'devices',
      'norm',
      'ms a step',
      'compute + statistics + gradients',
      'images/s',
      'scaling',
    ],
    rows: predictions.flatMap(({ devices, steps }) =>
      NORMS.map((norm) => [devices, norm, ...cells(steps[norm])]),
    ),
    caption: 'Simulated. Scaling: images per second divided by those of separate devices.',
  };
}

function breakEvenTable(predictions: readonly DevicesPrediction[], share: number): Block {
  const show = (batch: number | null): string | number => batch ?? `above ${MAX_BATCH}`;
  return {
    kind: 'table',
    columns: [
      'devices',
      `adds at most ${fixed(share * 100)} % to BN`,
      'takes no longer than GroupNorm',
    ],
    rows: predictions
      .filter(({ devices }) => devices > 1)
      .map(({ devices, breakEvenBatch, groupNormBatch }) => [
        devices,
        show(breakEvenBatch),
        show(groupNormBatch),
      ]),
    caption: 'Simulated: the smallest per-device batch from which this holds for SyncBN.',
  };
}

function machineSection({ replicaBatch, checks }: MeasuredMachine): Section {
  return {
    heading: 'This machine, real',
    blocks: [
      {
        kind: 'text',
        text: `Two replicas of ${replicaBatch} samples. The model is calibrated on one worker.`,
      },
      {
        kind: 'table',
        columns: ['what', 'predicted', 'measured', 'error'],
        rows: checks.map(({ what, predicted, measured, unit, error }) => [
          `${what}, ${unit}`,
          fixed(predicted),
          fixed(measured),
          `${fixed(error * 100)} %`,
        ]),
      },
    ],
  };
}

function numericsSection(numerics: Numerics): Section {
  const { replicas, replicaBatch, steps, localLosses, syncLosses, divergence } = numerics;
  const weights = fixed(numerics.weightDifference * 100);
  return {
    heading: 'Numerics, real',
    blocks: [
      {
        kind: 'text',
        text: `${steps} steps of ${replicas} replicas of ${replicaBatch} samples, with exactly \
the statistics of as many devices. After them the weights of both runs differ by ${weights} %.`,
      },
      {
        kind: 'table',
        columns: ['step', 'loss, BN of each device', 'loss, SyncBN'],
        rows: localLosses.map((loss, i) => [i + 1, fixed(loss), fixed(syncLosses[i]!)]),
      },
      {
        kind: 'table',
        columns: ['layer', 'means apart, std', 'variances, times'],
        rows: divergence.map(({ layer, meanShift, varianceFactor }) => [
          layer,
          fixed(meanShift),
          fixed(varianceFactor),
        ]),
        caption:
          'Shards against the global batch in the last step: the furthest replica of each layer.',
      },
    ],
  };
}

function reportsSection(reports: readonly ReportCheck[]): Section {
  return {
    heading: 'Published figures',
    blocks: [
      {
        kind: 'table',
        columns: ['report', 'reported', 'predicted', 'predicted / reported', 'as', 'source'],
        rows: reports.map(({ report, question, reported, predicted, ratio, unit, source }) => [
          report,
          `${[...new Set(reported.map(fixed))].join(' to ')} ${unit}`,
          `${fixed(predicted)} ${unit}`,
          fixed(ratio),
          question,
          source,
        ]),
      },
    ],
  };
}

/** Four digits, without trailing zeros. */
function fixed(value: number): string {
  return `${Number(value.toPrecision(4))}`;
}
