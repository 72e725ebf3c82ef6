// A run for TensorBoard: an event file that holds scalars and texts. Each run has a file of its
// own; one that is resumed adds a file to the folder, which TensorBoard shows as one run.

import { closeSync, openSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { fileError } from '../../base/fileError.ts';
import { makeFolder } from '../../base/folders.ts';
import { isObject, optionsSchema, parseData, parseOptions } from '../../base/parse.ts';
import { PatientFile } from '../../base/patientFile.ts';
import { callback, text, wholeNumber } from '../../base/values.ts';
import { giveNotice } from '../../runtime/notices.ts';
import type { Progress } from '../../runtime/progress.ts';
import { RecentMeans } from '../recentMeans.ts';
import { scalarsRecord, startRecord, textRecord, versionRecord } from './eventBytes.ts';
import {
  isProgress,
  progressScalars,
  type SnapshotSource,
  snapshotScalars,
  type Values,
} from './runScalars.ts';

/** The options of {@link openTensorBoard}. */
export interface TensorBoardOptions {
  /** Steps that were done before, of a run that goes on: what earlier files of the folder have of
   * later steps is not shown any more. Default 0. */
  readonly step?: number;
  /** Takes why the file cannot be written, once for each time that this begins; what is new then
   * waits, up to 1 MiB. Default: a warning of the process, on stderr. */
  readonly onTrouble?: (reason: string) => void;
}

/** An open event file. All calls write at once. */
export interface TensorBoard {
  /** The file. */
  readonly path: string;
  /** Takes what `fit` yields. `train/...` has loss and accuracy since the last call, learning rate
   * and speed; `epoch/...` the means over a whole epoch; `validation/...` its evaluation. */
  progress(progress: Progress): void;
  /** Takes a trainer's last snapshot, once for each snapshot step: `shards/LAYER/...`,
   * `gradients/PARAMETER`. */
  snapshot(trainer: SnapshotSource): void;
  /** Values of a step by tag, such as `test/loss`; what stands before the slash groups them. They
   * become float32. */
  scalars(step: number, values: Readonly<Record<string, number>>): void;
  /** A text in Markdown, such as the settings of the run. */
  text(tag: string, markdown: string): void;
  /** Closes the file; further calls are refused. Returns how many records it misses: 0, unless a
   * disk was full. */
  close(): number;
}

const MS_PER_S = 1000;
/** Names are read in their order, so the time in them needs one width. */
const TIME_DIGITS = 10;
const ALLOWED = 'a folder that can be written';

const optionsOfBoard = optionsSchema<TensorBoardOptions>()({
  step: wholeNumber(0).exactOptional(),
  onTrouble: callback<(reason: string) => void>().exactOptional(),
});

/** Files of this process: two of one second have different names. */
let opened = 0;

/** Opens a new event file in a folder, which is made if need be. Throws a UsageError when the
 * system refuses.
 *
 * @example
 * const board = await openTensorBoard('runs/a');
 * for await (const progress of trainer.fit({ epochs: 1 })) board.progress(progress);
 * board.close();
 */
export async function openTensorBoard(
  folder: string,
  options: TensorBoardOptions = {},
): Promise<TensorBoard> {
  parseData(text, folder, 'the folder of openTensorBoard');
  const example = "openTensorBoard('runs/a', { step: 100 })";
  const { step = 0, onTrouble = giveNotice } = parseOptions(
    'openTensorBoard',
    optionsOfBoard,
    options,
    { example },
  );
  const { fd, path } = await openFile(folder);
  const file = new PatientFile({ fd, onTrouble });
  const at = (of: number) => ({ seconds: Date.now() / MS_PER_S, step: of });
  file.write(versionRecord(at(0)));
  if (step > 0) file.write(startRecord(at(step + 1)));
  return boardOf(path, {
    scalars: (of, values) => file.write(scalarsRecord(at(of), values)),
    text: (tag, markdown) => file.write(textRecord(at(step), tag, markdown)),
    close() {
      const missing = file.end();
      closeSync(fd);
      return missing;
    },
  });
}

async function openFile(folder: string): Promise<{ readonly fd: number; readonly path: string }> {
  const seconds = `${Math.floor(Date.now() / MS_PER_S)}`.padStart(TIME_DIGITS, '0');
  const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${opened++}`;
  const path = join(folder, name);
  try {
    await makeFolder(folder);
    return { fd: openSync(path, 'ax'), path };
  } catch (error) {
    throw fileError(`event file to write, ${path}`, error, ALLOWED);
  }
}

interface Writer {
  scalars(step: number, values: Values): void;
  text(tag: string, markdown: string): void;
  close(): number;
}

/** The calls, which check what they are given. */
function boardOf(path: string, writer: Writer): TensorBoard {
  const recent = new RecentMeans();
  const shown = { diagnostics: -1, gradients: -1 };
  let isOpen = true;
  const checkOpen = (call: string): void => {
    if (isOpen) return;
    throw new UsageError({ what: call, problem: 'was called on a closed event file' });
  };
  const write = (step: number, values: Values): void => {
    if (values.length > 0) writer.scalars(step, values);
  };
  return {
    path,
    progress(progress) {
      checkOpen('progress');
      if (!isProgress(progress)) {
        const allowed = 'what fit yields';
        throw new UsageError({ what: 'the progress', given: progress, allowed });
      }
      parseData(wholeNumber(0), progress.step, 'the step of the progress');
      write(progress.step, progressScalars(progress, recent.take(progress)));
    },
    snapshot(trainer) {
      checkOpen('snapshot');
      checkSource(trainer);
      for (const [step, values] of snapshotScalars(trainer, shown)) write(step, values);
    },
    scalars(step, values) {
      checkOpen('scalars');
      parseData(wholeNumber(0), step, 'the step of scalars');
      if (!isObject(values)) {
        const allowed = "numbers by tag, { 'test/loss': 0.1 }";
        throw new UsageError({ what: 'the values of scalars', given: values, allowed });
      }
      write(step, Object.entries(values).map(checkValue));
    },
    text(tag, markdown) {
      checkOpen('text');
      writer.text(parseData(text, tag, 'the tag'), parseData(text, markdown, 'the text'));
    },
    close() {
      checkOpen('close');
      isOpen = false;
      return writer.close();
    },
  };
}

function checkSource(given: SnapshotSource): void {
  const source = given as Partial<SnapshotSource> | null | undefined;
  const isOne =
    typeof source?.diagnostics === 'function' && typeof source.gradientNorms === 'function';
  if (!isOne)
    throw new UsageError({ what: 'the source of a snapshot', given, allowed: 'a Trainer' });
}

function checkValue([tag, value]: readonly [string, number]): readonly [string, number] {
  if (typeof value === 'number') return [tag, value];
  throw new UsageError({ what: `the value of ${tag}`, given: value, allowed: 'a number' });
}
