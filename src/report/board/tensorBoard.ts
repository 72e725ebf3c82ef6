// Writes a run for TensorBoard: an event file with scalars and texts. Each run has its own file. A
// resumed run adds a file to the folder, and TensorBoard shows both as one run.

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
  /** Steps completed before a resumed run. Later steps in earlier files of the folder are no longer
   * shown. Default 0. */
  readonly step?: number;
  /** Called with the reason when the file cannot be written, once each time this begins. New
   * records then wait, up to 1 MiB. Default: a process warning, on stderr. */
  readonly onTrouble?: (reason: string) => void;
}

/** An open event file. All calls write immediately. */
export interface TensorBoard {
  /** Path of the file. */
  readonly path: string;
  /** Writes a progress from `fit`: `train/...` has loss and accuracy since the last call, learning
   * rate and speed; `epoch/...` has means over a whole epoch; `validation/...` has its
   * evaluation. */
  progress(progress: Progress): void;
  /** Writes a trainer's last snapshot, once per snapshot step: `shards/LAYER/...`,
   * `gradients/PARAMETER`. */
  snapshot(trainer: SnapshotSource): void;
  /** Writes values of a step by tag, such as `test/loss`; the part before the slash groups them.
   * Values are stored as float32. */
  scalars(step: number, values: Readonly<Record<string, number>>): void;
  /** Writes Markdown text, such as the settings of the run. */
  text(tag: string, markdown: string): void;
  /** Closes the file; further calls are refused. Returns the number of missing records: 0, unless a
   * disk was full. */
  close(): number;
}

const MS_PER_S = 1000;
/** Files are read in name order, so the time in the names has a fixed width. */
const TIME_DIGITS = 10;
const ALLOWED = 'a folder that can be written';

const optionsOfBoard = optionsSchema<TensorBoardOptions>()({
  step: wholeNumber(0).exactOptional(),
  onTrouble: callback<(reason: string) => void>().exactOptional(),
});

/** Distinguishes files that this process opens within one second. */
let opened = 0;

/** Opens a new event file in a folder, which is created if necessary. Throws a UsageError if the
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

/** The calls, which check their arguments. */
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
        const allowed = 'a progress from fit';
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
