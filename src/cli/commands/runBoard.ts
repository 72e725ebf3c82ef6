// TensorBoard's event file of a run: settings as text, and the curves of the report.

import { openTensorBoard } from '../../report/board/tensorBoard.ts';
import type { RunFacts } from '../../report/history.ts';
import type { RunEvent } from '../output/events.ts';
import { IncompleteOutput } from '../output/lineFile.ts';
import { warn } from '../output/screen.ts';
import { oneLine } from '../output/text.ts';
import { factsOf, type ObservedRun, type Observer } from './observed.ts';

/** Opens the event file of a run that is about to train. */
export async function startBoard(
  folder: string,
  run: ObservedRun,
  tell: (event: RunEvent) => void,
): Promise<Observer> {
  const { trainer } = run;
  const flag = `--tensorboard ${folder}`;
  const board = await openTensorBoard(folder, {
    step: trainer.step,
    onTrouble: (reason) =>
      warn(
        `syncbn: ${flag} cannot be written (${reason}); the run continues, and its records wait.`,
      ),
  });
  board.text('settings', settingsTable(factsOf(run)));
  return {
    look(progress) {
      board.progress(progress);
      board.snapshot(trainer);
    },
    async end(state) {
      if (state.kind === 'done') {
        const { testLoss, testAccuracy, testMeanIou } = state;
        board.scalars(trainer.step, {
          ...(testLoss !== null && { 'test/loss': testLoss }),
          ...(testAccuracy !== null && { 'test/accuracy': testAccuracy }),
          ...(testMeanIou !== undefined && { 'test/meanIou': testMeanIou }),
        });
      }
      const missing = board.close();
      if (missing > 0) throw new IncompleteOutput(`${flag} misses ${missing} records.`);
      tell({ event: 'tensorboard', path: board.path });
    },
  };
}

/** A table in Markdown. */
function settingsTable({ command, settings }: RunFacts): string {
  const cell = (text: string): string => oneLine(text).replaceAll('|', '\\|');
  const rows = [...settings, ['command', command] as const];
  const lines = rows.map(([name, value]) => `| ${cell(name)} | ${cell(value)} |`);
  return ['| setting | value |', '| --- | --- |', ...lines].join('\n');
}
