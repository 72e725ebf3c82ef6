// `syncbn experiment NAME`: does the runs that are not done yet, shows how far they are, and writes
// and shows what they say. Ctrl-C stops it in good order; the same command goes on.

import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { cleaningUp } from '../../base/cleanup.ts';
import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { packageVersion } from '../../base/version.ts';
import type { Dataset } from '../../data/dataset.ts';
import { openDataset } from '../../data/open.ts';
import { filesOf, type Making, showSeconds } from '../../experiments/engine/document.ts';
import type {
  Analysis,
  Experiment,
  ExperimentOptions,
  RunResult,
} from '../../experiments/engine/experiment.ts';
import { openResults } from '../../experiments/engine/resultsFile.ts';
import {
  type ExperimentProgress,
  type Outcome,
  runExperiment,
} from '../../experiments/engine/runner.ts';
import { EXPERIMENTS } from '../../experiments/runs/catalog.ts';
import { fashionMnist } from '../../experiments/runs/fashionMnist.ts';
import { Bar, type BarFields } from '../output/bar.ts';
import { prepareFolder, typedCommand, writeFiles } from '../output/outFolder.ts';
import { say, screen } from '../output/screen.ts';
import { printRows } from '../output/tables.ts';
import { paint } from '../output/text.ts';
import { catchSignals, SIGNAL_CODES } from '../process/signals.ts';
import type { Flags } from '../settings/flags.ts';

const DEFAULT_FOLDER = 'experiments';
const MAX_SEEDS = 1000;
const MS_PER_S = 1000;

export async function runExperimentCommand(flags: Flags, name?: string): Promise<number> {
  const experiment = experimentNamed(name);
  const options = optionsFrom(flags, experiment);
  // Refuses what the options cannot be, before anything is made or fetched.
  const planned = experiment.plan(options);
  const isJson = flags.isSet('json');
  const folder = flags.text('out') ?? join(DEFAULT_FOLDER, experiment.name);
  const workers = flags.integer('workers', 1);
  await prepareFolder(folder);
  const version = packageVersion();
  const { resultSchema } = experiment;
  const owner = { experiment: experiment.name, version, resultSchema };
  const results = await openResults(folder, owner);
  const show = isJson ? jsonShow(experiment) : terminalShow(experiment, planned.length);
  const stop = new AbortController();
  const signals = catchSignals(() => stop.abort(), results.close);
  const run = async (): Promise<number> => {
    for (const notice of results.notices) show.notice(notice);
    show.begin();
    const outcome = await cleaningUp(
      () =>
        runExperiment({
          experiment,
          options,
          results,
          openData: () => openData(options.data, show.notice),
          workers,
          signal: stop.signal,
          onProgress: show.progress,
        }),
      show.endProgress,
    );
    const analysis = experiment.analyse(outcome.results, options);
    show.results(outcome, analysis);
    if (outcome.results.length > 0) {
      const making = makingOf(options, outcome, version);
      await writeFiles(folder, filesOf(experiment, outcome.results, analysis, making));
    }
    show.end(outcome, analysis, folder);
    return signals.caught === undefined ? 0 : SIGNAL_CODES[signals.caught];
  };
  return cleaningUp(run, signals.release, results.close);
}

function experimentNamed(name: string | undefined): Experiment {
  const found = EXPERIMENTS.find((experiment) => experiment.name === name);
  if (found !== undefined) return found;
  const names = EXPERIMENTS.map((experiment) => experiment.name);
  const nearest = name === undefined ? undefined : nearestWord(name, names);
  throw new UsageError({
    what: 'experiment',
    given: name ?? 'no name',
    allowed: names.join(', '),
    hint: `syncbn experiment ${nearest ?? names[0]!} --quick`,
  });
}

function optionsFrom(flags: Flags, { name, defaults }: Experiment): ExperimentOptions {
  const quick = flags.isSet('quick');
  const norms = listFrom(flags, 'norms', name, 'small-batch');
  const conventions = listFrom(flags, 'conventions', name, 'peers');
  return {
    quick,
    seeds: flags.integer('seeds', 1, MAX_SEEDS) ?? (quick ? defaults.quickSeeds : defaults.seeds),
    data: flags.text('data') ?? (quick ? defaults.quickData : defaults.data),
    ...(norms !== undefined && { norms }),
    ...(conventions !== undefined && { conventions }),
  };
}

/** The list of a flag that only one experiment has. */
function listFrom(
  flags: Flags,
  flag: string,
  name: string,
  owner: string,
): readonly string[] | undefined {
  const given = flags.text(flag);
  if (given === undefined) return undefined;
  if (name === owner) return [...new Set(given.split(',').map((one) => one.trim()))];
  throw new UsageError({
    what: `--${flag} of syncbn experiment ${name}`,
    given,
    allowed: `nothing: only ${owner} lets its ${flag} be chosen`,
  });
}

function openData(name: string, notice: (text: string) => void): Promise<Dataset> {
  return name === 'fashion-mnist' ? fashionMnist(notice) : openDataset(name);
}

function makingOf(options: ExperimentOptions, outcome: Outcome, version: string): Making {
  const cores = availableParallelism();
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return {
    command: typedCommand(),
    machine: `${cores} core${cores === 1 ? '' : 's'} of ${model}, Node ${process.versions.node}`,
    data: options.data,
    seeds: options.seeds,
    runs: outcome.runs,
    trainSeconds: trainSeconds(outcome.results),
    date: new Date().toISOString().slice(0, 10),
    version,
  };
}

function trainSeconds(results: readonly RunResult[]): number {
  return results.reduce((sum, { timings }) => sum + (timings.trainMs ?? 0), 0) / MS_PER_S;
}

/** How a command tells what happens. */
interface Show {
  notice(text: string): void;
  begin(): void;
  progress(progress: ExperimentProgress): void;
  endProgress(): void;
  /** Before the files are written: their failure must not hide what was found. */
  results(outcome: Outcome, analysis: Analysis): void;
  end(outcome: Outcome, analysis: Analysis, folder: string): void;
}

function jsonShow({ name, hypothesis }: Experiment): Show {
  const tell = (event: string, fields: object): void => {
    screen.sayJson({ event, ...fields });
  };
  let done: number | undefined;
  return {
    notice: (text) => tell('notice', { text }),
    begin: () => tell('experiment', { experiment: name, hypothesis }),
    progress(progress) {
      // An event for each run that is over; shares in between are for eyes.
      if (progress.done === done) return;
      done = progress.done;
      const { secondsLeft } = progress;
      tell('progress', {
        ...progress,
        secondsLeft: Number.isFinite(secondsLeft) ? secondsLeft : null,
      });
    },
    endProgress() {},
    results() {},
    end({ results, runs, isStopped }, { verdicts }, folder) {
      tell('done', { runs, finished: results.length, isStopped, verdicts, folder });
    },
  };
}

function terminalShow({ title, hypothesis }: Experiment, runs: number): Show {
  const bar = screen.isTerminal ? new Bar(screen, { format: BAR_FORMAT, size: 16 }) : undefined;
  let done: number | undefined;
  return {
    notice: say,
    begin() {
      say(`${paint('bold', title)}\nExpected: ${hypothesis}`);
      say(`${runs} runs; Ctrl-C stops, the same command goes on.`);
    },
    progress(progress) {
      const fields = barFields(progress);
      if (bar !== undefined) bar.draw(BAR_TOTAL, Math.floor(progress.share * BAR_TOTAL), fields);
      else if (progress.done !== done) say(`${fields.runs} runs done`);
      done = progress.done;
    },
    endProgress: () => bar?.end(),
    results: showResults,
    end: showEnd,
  };
}

const BAR_TOTAL = 1000;
const BAR_FORMAT = '{bar} {percentage}%  {runs} runs  {left}  {label}';

function barFields({ done, runs, label, secondsLeft }: ExperimentProgress): BarFields {
  const left = Number.isFinite(secondsLeft) ? `${showSeconds(secondsLeft)} left` : '- left';
  return { runs: `${done}/${runs}`, left, label: label ?? '' };
}

function showResults({ results }: Outcome, { tables, verdicts }: Analysis): void {
  if (results.length === 0) return;
  for (const { caption, columns, rows } of tables) {
    say(`\n${paint('bold', caption)}`);
    printRows(columns, rows);
  }
  const colors = { confirmed: 'green', refuted: 'red', inconclusive: 'yellow' } as const;
  for (const { claim, verdict, evidence } of verdicts) {
    say(`${paint(colors[verdict], verdict)}: ${claim}\n  ${evidence}`);
  }
}

function showEnd(outcome: Outcome, _analysis: Analysis, folder: string): void {
  const { results, runs, found, isStopped, seconds } = outcome;
  if (results.length === 0) {
    say('Stopped before the first run was over; nothing is kept.');
    return;
  }
  const count = `${results.length} of ${runs} runs${found === 0 ? '' : `, ${found} found done`}`;
  say(`\n${count}, ${showSeconds(seconds)}. Written to ${join(folder, 'report.html')}.`);
  if (isStopped) say('Stopped; the same command does the runs that are missing.');
}
