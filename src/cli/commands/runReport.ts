// The report of a run: a file at its end, a page that changes while it trains, or both. Looks at
// the trainer whenever the command tells progress. Loaded only where one is asked for: what draws
// takes longer to load than all the rest.

import { cleaningUp } from '../../base/cleanup.ts';
import { isNorm, normName, normsOf } from '../../nn/convert/normLeaf.ts';
import { type LayerSpec, leafPaths, leavesOf } from '../../nn/specs/spec.ts';
import { RunHistory, type RunState } from '../../report/history.ts';
import { type LiveServer, serveLive } from '../../report/liveServer.ts';
import { renderPage } from '../../report/page.ts';
import { renderedSections, runPage } from '../../report/runPage.ts';
import type { Progress } from '../../runtime/progress.ts';
import type { Trainer } from '../../runtime/trainer.ts';
import type { StartEvent } from '../output/events.ts';
import { writeOutput } from '../output/outFile.ts';
import { typedCommand } from '../output/outFolder.ts';
import { warn } from '../output/screen.ts';
import type { ReportAsked } from '../settings/reportFlags.ts';

export interface RunReport {
  /** Where the live page is. */
  readonly url: string | undefined;
  /** Takes a look at the run, which has trained for so many seconds. */
  look(progress: Progress, seconds: number): void;
  /** Writes the file and ends the page. */
  end(state: RunState): Promise<void>;
}

/** Starts the report of a run that is about to train. */
export async function startReport(
  asked: ReportAsked,
  trainer: Trainer,
  start: StartEvent,
): Promise<RunReport> {
  const history = new RunHistory(factsOf(trainer, start));
  const { file, port, host } = asked;
  let server: LiveServer | undefined;
  if (port !== undefined) {
    server = await serveLive({
      host,
      port,
      page: () => runPage(history),
      sections: () => renderedSections(history),
      onTrouble: (message) => warn(`syncbn: ${message}`),
    });
  }
  return {
    url: server?.url,
    look(progress, seconds) {
      history.addProgress(progress, seconds);
      history.addSnapshot(trainer.diagnostics(), trainer.gradientNorms());
      server?.changed();
    },
    async end(state) {
      history.state = state;
      await cleaningUp(
        async () => server?.close(),
        async () => {
          if (file === undefined) return;
          await writeOutput(file, `--report ${file}`, renderPage(runPage(history)));
        },
      );
    },
  };
}

function factsOf(trainer: Trainer, start: StartEvent): RunHistory['facts'] {
  const { config } = trainer;
  const { optimizer, schedule } = config;
  const scaling = start.lrScaling === null ? '' : ` (scaled ${start.lrScaling})`;
  const settings: readonly (readonly [string, string])[] = [
    ['model', `${start.model}, ${start.parameters} parameters`],
    ['data', start.data],
    ['replicas', `${start.replicas}`],
    ['workers', `${start.workers}`],
    ['samples of a full step', `${start.globalBatch}`],
    ['steps of an epoch', `${start.stepsPerEpoch}`],
    ['epochs', `${start.epochs}`],
    ['optimizer', `${optimizer.kind}, learning rate ${optimizer.lr}${scaling}, ${schedule.kind}`],
    ['seed, numbers', `${start.seed}, ${start.mode}`],
    ['norms', showNorms(config.model)],
    ...(start.step === 0 ? [] : [['steps done before', `${start.step}`] as const]),
  ];
  const title = `${start.model} on ${start.data}`;
  return {
    title,
    command: typedCommand(),
    settings,
    globalBatch: start.globalBatch,
  };
}

/** One name where all norms are alike, else each with its place. */
function showNorms(model: LayerSpec): string {
  const kinds = normsOf(model);
  if (kinds.length < 2) return kinds[0] ?? 'none';
  const paths = leafPaths(model);
  return leavesOf(model)
    .flatMap((leaf, i) => (isNorm(leaf) ? [`${paths[i]} ${normName(leaf)}`] : []))
    .join('; ');
}
