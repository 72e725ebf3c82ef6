// The common part of `syncbn experiment` and `syncbn sweep`: runs what is missing, shows progress,
// and writes and shows the results. Ctrl-C stops cleanly; the same command continues.

import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { cleaningUp } from '../../base/cleanup.ts';
import { packageVersion } from '../../base/version.ts';
import type { Dataset } from '../../data/dataset.ts';
import { filesOf, type Making, showSeconds } from '../../experiments/engine/document.ts';
import type {
  Analysis,
  Experiment,
  ExperimentOptions,
  PlainRecord,
  RunResult,
} from '../../experiments/engine/experiment.ts';
import { openResults } from '../../experiments/engine/resultsFile.ts';
import {
  type ExperimentProgress,
  type Outcome,
  runExperiment,
} from '../../experiments/engine/runner.ts';
import { aboutSubject } from '../../experiments/engine/subject.ts';
import { Bar, type BarFields } from '../output/bar.ts';
import { prepareFolder, typedCommand, writeFiles } from '../output/outFolder.ts';
import { say, screen } from '../output/screen.ts';
import { printRows } from '../output/tables.ts';
import { paint } from '../output/text.ts';
import { catchSignals, SIGNAL_CODES } from '../process/signals.ts';

const MS_PER_S = 1000;

export interface Study {
  readonly experiment: Experiment;
  readonly options: ExperimentOptions;
  /** How many runs are planned. */
  readonly runs: number;
  /** What claims and pictures are about; undefined if the experiment's title says it. */
  readonly subject: string | undefined;
  /** Where results and report go. */
  readonly folder: string;
  readonly isJson: boolean;
  readonly workers: number | undefined;
  readonly jobs?: number;
  /** What the user should know before the first run. */
  readonly notices?: readonly string[];
  readonly openData: (settings: PlainRecord, notice: (text: string) => void) => Promise<Dataset>;
}

/** Runs everything and returns the exit code. */
export async function runStudy(study: Study): Promise<number> {
  const { experiment, options, folder, workers, jobs, subject } = study;
  await prepareFolder(folder);
  const version = packageVersion();
  const { resultSchema } = experiment;
  const owner = { experiment: experiment.name, version, resultSchema };
  const results = await openResults(folder, owner);
  const show = study.isJson ? jsonShow(experiment) : terminalShow(experiment, study.runs);
  const stop = new AbortController();
  const signals = catchSignals(() => stop.abort(), results.close);
  const run = async (): Promise<number> => {
    for (const notice of [...results.notices, ...(study.notices ?? [])]) show.notice(notice);
    show.begin();
    const outcome = await cleaningUp(
      () =>
        runExperiment({
          experiment,
          options,
          results,
          openData: (settings) => study.openData(settings, show.notice),
          workers,
          ...(jobs !== undefined && { jobs }),
          signal: stop.signal,
          onProgress: show.progress,
        }),
      show.endProgress,
    );
    const analysis = aboutSubject(experiment.analyse(outcome.results, options), subject);
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

function makingOf(options: ExperimentOptions, outcome: Outcome, version: string): Making {
  const cores = availableParallelism();
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return {
    command: typedCommand(),
    machine: `${cores} core${cores === 1 ? '' : 's'} of ${model}, Node ${process.versions.node}`,
    data: options.data,
    model: options.net?.name,
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

/** How a command reports what happens. */
interface Show {
  notice(text: string): void;
  begin(): void;
  progress(progress: ExperimentProgress): void;
  endProgress(): void;
  /** Called before the files are written, so that a failure to write does not hide the results. */
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
      // One event for each run that has ended; progress in between is only for display.
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
      say(`${runs} runs; Ctrl-C stops, and the same command continues.`);
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
    say('Stopped before the first run ended; nothing was saved.');
    return;
  }
  const count = `${results.length} of ${runs} runs${found === 0 ? '' : `, ${found} found done`}`;
  say(`\n${count}, ${showSeconds(seconds)}. Written to ${join(folder, 'report.html')}.`);
  if (isStopped) say('Stopped; the same command does the remaining runs.');
}
