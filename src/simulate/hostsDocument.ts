// A simulation of hosts as events, for --json, and as files: a CSV table, events as JSON lines, a
// plot, and one page that says for every figure whether it is simulated or real.

import { showShape } from '../base/shape.ts';
import { type Block, renderPage, type Section } from '../report/page.ts';
import { linePlot } from '../report/plot.ts';
import type { FittedLink } from './doctorLink.ts';
import type { SimulationFile } from './document.ts';
import type { HostsPrediction } from './hosts.ts';
import type { Link } from './links.ts';
import { type Network, totalsOf } from './network.ts';
import type { SimulationEvent } from './simulation.ts';

export interface HostsSimulation {
  readonly network: Network;
  readonly globalBatch: number;
  readonly link: Link;
  /** If the doctor has measured the link. */
  readonly fit: FittedLink | undefined;
  readonly predictions: readonly HostsPrediction[];
}

export function hostsEventsOf(simulation: HostsSimulation): readonly SimulationEvent[] {
  const { network, globalBatch, link, fit, predictions } = simulation;
  const { name, inputShape } = network;
  const net = { name, inputShape, ...totalsOf(network) };
  return [
    { event: 'job', network: net, globalBatch, norm: 'SyncBN', link },
    ...(fit?.points ?? []).map((point) => ({ event: 'fit', ...point })),
    ...predictions.map(({ hosts, samples, workers, computeMs }) => ({
      ...{ event: 'share', kind: 'real', hosts, samples, workers, computeMs },
    })),
    ...predictions.map((prediction) => ({
      ...{ event: 'prediction', kind: 'simulated', ...prediction },
    })),
  ];
}

/** All files of a simulation. `command` is the one that made them. */
export function hostsFilesOf(
  simulation: HostsSimulation,
  command: string,
): readonly SimulationFile[] {
  const { network, predictions } = simulation;
  const steps = linePlot({
    title: `Simulated step of ${network.name} on several hosts`,
    xLabel: 'hosts',
    yLabel: 'ms a step',
    xScale: 'log',
    series: [
      { name: 'a step', points: predictions.map(({ hosts, ms }) => ({ x: hosts, y: ms })) },
      {
        name: 'of it compute',
        points: predictions.map(({ hosts, computeMs }) => ({ x: hosts, y: computeMs })),
        style: 'dashed',
      },
    ],
  });
  const lines = hostsEventsOf(simulation).map((event) => `${JSON.stringify(event)}\n`);
  return [
    { name: 'results.csv', text: csvOf(predictions) },
    { name: 'results.jsonl', text: lines.join('') },
    { name: 'steps.svg', text: steps },
    { name: 'report.html', text: pageOf(simulation, command, steps) },
  ];
}

const COLUMNS = [
  'hosts',
  'samples',
  'workers',
  'step_ms',
  'compute_ms',
  'statistics_ms',
  'gradients_ms',
  'exchanges',
  'card_bytes',
  'images_per_second',
  'efficiency',
] as const;

function cellsOf(prediction: HostsPrediction): readonly number[] {
  const { hosts, samples, workers, ms, computeMs, statisticsMs, gradientsMs } = prediction;
  const { exchanges, cardBytes, imagesPerSecond, efficiency } = prediction;
  const times = [ms, computeMs, statisticsMs, gradientsMs].map(rounded);
  const rates = [imagesPerSecond, efficiency].map(rounded);
  return [hosts, samples, workers, ...times, exchanges, cardBytes, ...rates];
}

function csvOf(predictions: readonly HostsPrediction[]): string {
  const rows = predictions.map((prediction) => cellsOf(prediction).join(','));
  return `${[COLUMNS.join(','), ...rows].join('\n')}\n`;
}

function pageOf(simulation: HostsSimulation, command: string, plot: string): string {
  const { network, globalBatch, link, fit, predictions } = simulation;
  const { latencyUs, gigabytesPerSecond, share } = link;
  const speed = `${rounded(gigabytesPerSecond * share)} GB/s`;
  const settings: Block = {
    kind: 'table',
    columns: ['setting', 'value'],
    rows: [
      ['network', `${network.name}, ${showShape(network.inputShape)}`],
      ['parameters', totalsOf(network).parameters],
      ['global batch', globalBatch],
      ['link', `${link.name}: ${rounded(latencyUs)} us, ${speed} (${link.source})`],
    ],
  };
  const sections: readonly Section[] = [
    {
      heading: 'What is simulated',
      blocks: [
        { kind: 'command', text: command },
        settings,
        ...(fit === undefined ? [] : [fitTable(fit)]),
      ],
    },
    {
      heading: 'Time of a step',
      blocks: [
        { kind: 'plot', svg: plot, caption: 'Simulated. The model: docs/simulate.md.' },
        {
          kind: 'table',
          columns: COLUMNS.map((name) => name.replaceAll('_', ' ')),
          rows: predictions.map(cellsOf),
          caption: 'Simulated, except for compute, which was measured here with as many samples.',
        },
      ],
    },
  ];
  const lead = 'Compute was measured on this machine; exchanges between hosts are predicted.';
  return renderPage({ title: `${network.name} on several hosts`, lead, sections });
}

function fitTable({ points }: FittedLink): Block {
  return {
    kind: 'table',
    columns: ['bytes to each other', 'measured us', 'fitted us', 'error'],
    rows: points.map(({ sizeBytes, measuredUs, fittedUs, error }) => [
      sizeBytes,
      rounded(measuredUs),
      rounded(fittedUs),
      `${rounded(error * 100)} %`,
    ]),
    caption: 'Real: exchanges that the doctor measured, next to the line through them.',
  };
}

/** To four digits. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
