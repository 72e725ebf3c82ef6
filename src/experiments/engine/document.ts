// Renders an experiment's files as text: all results as CSV, each plot as SVG, and a page with the
// hypothesis, the results and how to reproduce them.

import { type Block, renderPage, type Section } from '../../report/page.ts';
import { linePlot } from '../../report/plot.ts';
import type { Analysis, Experiment, PlainValue, RunResult } from './experiment.ts';

export interface ExperimentFile {
  readonly name: string;
  readonly text: string;
}

/** How the results were produced, as shown on the page. */
export interface Making {
  readonly command: string;
  /** For example `2 cores, AMD EPYC, Node 20.20.2`. */
  readonly machine: string;
  readonly data: string;
  /** Undefined for the experiment's own nets. */
  readonly model: string | undefined;
  readonly seeds: number;
  readonly runs: number;
  /** Total time of all finished runs, including those from earlier sessions. */
  readonly trainSeconds: number;
  /** For example `2026-11-22`. */
  readonly date: string;
  readonly version: string;
}

/** Creates all files. Incomplete results are marked as such. */
export function filesOf(
  experiment: Experiment,
  results: readonly RunResult[],
  analysis: Analysis,
  making: Making,
): readonly ExperimentFile[] {
  const plots = analysis.plots.map(({ file, caption, plot }) => ({
    name: `${file}.svg`,
    caption,
    text: linePlot(plot),
  }));
  const page = pageOf(
    experiment,
    analysis,
    plots.map(({ text, caption }) => ({ kind: 'plot', svg: text, caption })),
    madeSection(results, making),
  );
  return [
    { name: 'results.csv', text: csvOf(results) },
    ...plots.map(({ name, text }) => ({ name, text: `${text}\n` })),
    { name: 'report.html', text: page },
  ];
}

/** Formats results as CSV: a row per run, and a column per setting, value and timing. Lists are
 * joined with spaces. */
export function csvOf(results: readonly RunResult[]): string {
  const namesOf = (part: 'settings' | 'values' | 'timings'): string[] => [
    ...new Set(results.flatMap((result) => Object.keys(result[part]))),
  ];
  const [settings, values, timings] = [
    namesOf('settings'),
    namesOf('values'),
    namesOf('timings'),
  ] as const;
  const rows = results.map((result) => [
    ...settings.map((name) => result.settings[name]),
    ...values.map((name) => result.values[name]),
    ...timings.map((name) => result.timings[name]),
  ]);
  const lines = [[...settings, ...values, ...timings], ...rows];
  return lines.map((cells) => `${cells.map(csvCell).join(',')}\n`).join('');
}

function csvCell(value: PlainValue | readonly number[] | undefined): string {
  if (value === undefined || value === null) return '';
  const text = Array.isArray(value) ? value.join(' ') : `${value}`;
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function pageOf(
  { title, hypothesis }: Experiment,
  { verdicts, tables, notes }: Analysis,
  plots: readonly Block[],
  made: Section,
): string {
  const claims: readonly Block[] = verdicts.map((verdict) => ({ kind: 'verdict', ...verdict }));
  const numbers: readonly Block[] = tables.map((table) => ({ kind: 'table', ...table }));
  const texts: readonly Block[] = notes.map((text) => ({ kind: 'text', text }));
  const verdictNote: Block = {
    kind: 'text',
    text:
      'A claim is confirmed or refuted only if the whole 95 % interval of the difference over ' +
      'the seeds, paired by seed, lies on one side. Verdicts are computed from the numbers below.',
  };
  const sections: readonly Section[] = [
    { heading: 'Results', blocks: [...claims, verdictNote] },
    { heading: 'Plots', blocks: plots },
    { heading: 'Numbers', blocks: numbers },
    { heading: 'How to read it', blocks: texts },
    made,
  ];
  return renderPage({ title, lead: `Expected: ${hypothesis}`, sections });
}

function madeSection(results: readonly RunResult[], making: Making): Section {
  const { command, machine, data, model, seeds, runs, trainSeconds, date, version } = making;
  const isWhole = results.length === runs;
  const figures = [
    { name: 'runs', value: isWhole ? `${runs}` : `${results.length} of ${runs}` },
    { name: 'seeds', value: `${seeds}` },
    ...(model === undefined ? [] : [{ name: 'model', value: model }]),
    { name: 'data', value: data },
    { name: 'time of all runs', value: showSeconds(trainSeconds) },
    { name: 'date', value: date },
  ];
  const unfinished: Block = {
    kind: 'text',
    text: 'Stopped early: the same command does the missing runs.',
  };
  const commandBlock: Block = { kind: 'command', text: command };
  return {
    heading: 'How to reproduce it',
    blocks: [
      { kind: 'figures', figures },
      ...(isWhole ? [] : [unfinished]),
      commandBlock,
      { kind: 'text', text: `syncbn ${version}; ${machine}.` },
      {
        kind: 'text',
        text:
          'All numbers except times are the same in every repetition on such a machine, with any ' +
          'number of workers. results.csv and results.jsonl beside this page hold every run.',
      },
    ],
  };
}

/** Formats a duration: `75 s`, `12.5 min`, `1.2 h`. */
export function showSeconds(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
