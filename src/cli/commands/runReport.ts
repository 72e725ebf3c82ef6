// The report of a run: a file at its end, a live page during training, or both. Reads the trainer
// whenever the command reports progress. Loaded only on request, since the plotting code takes
// longer to load than everything else.

import { cleaningUp } from '../../base/cleanup.ts';
import { RunHistory } from '../../report/history.ts';
import { type LiveServer, serveLive } from '../../report/liveServer.ts';
import { renderPage } from '../../report/page.ts';
import { renderedSections, runPage } from '../../report/runPage.ts';
import type { RunEvent } from '../output/events.ts';
import { writeOutput } from '../output/outFile.ts';
import { warn } from '../output/screen.ts';
import type { ReportAsked } from '../settings/reportFlags.ts';
import { factsOf, type ObservedRun, type Observer } from './observed.ts';

/** Starts the report of a run that is about to train. */
export async function startReport(
  asked: ReportAsked,
  run: ObservedRun,
  tell: (event: RunEvent) => void,
): Promise<Observer> {
  const { trainer } = run;
  const history = new RunHistory(factsOf(run));
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
  if (server !== undefined) tell({ event: 'watch', url: server.url });
  return {
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
          tell({ event: 'report', path: file });
        },
      );
    },
  };
}
