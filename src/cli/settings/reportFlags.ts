// The flags of `train` for reports, and for TensorBoard's event files.

import { UsageError } from '../../base/errors.ts';
import { checkWritable } from '../../base/wholeFile.ts';
import { prepareFolder } from '../output/outFolder.ts';
import type { Flags } from './flags.ts';

const DEFAULT_PORT = 8710;
const MAX_PORT = 65_535;
const LOOPBACK = '127.0.0.1';

/** The requested report; undefined for neither a file nor a page. */
export interface ReportAsked {
  readonly file: string | undefined;
  readonly port: number | undefined;
  readonly host: string;
}

/** What observes the run. */
export interface ObserversAsked {
  readonly report: ReportAsked | undefined;
  /** The folder for TensorBoard's event files. */
  readonly tensorboard: string | undefined;
}

/** Whether a file or a page is requested. */
export function asksForReport(flags: Flags): boolean {
  return flags.text('report') !== undefined || portFrom(flags) !== undefined;
}

/** Reads the flags, and checks that the file and the folder can be written. */
export async function observersAsked(flags: Flags): Promise<ObserversAsked> {
  const report = await reportAsked(flags);
  const tensorboard = flags.text('tensorboard');
  if (tensorboard !== undefined) await prepareFolder(tensorboard, '--tensorboard');
  return { report, tensorboard };
}

async function reportAsked(flags: Flags): Promise<ReportAsked | undefined> {
  const file = flags.text('report');
  const port = portFrom(flags);
  const host = flags.text('watch-host');
  if (host !== undefined && port === undefined) {
    throw new UsageError({
      what: '--watch-host',
      problem: 'requires --watch',
      hint: `--watch --watch-host ${host}`,
    });
  }
  if (file === undefined && port === undefined) return undefined;
  if (file !== undefined) await checkWritable(file, `--report ${file}`);
  return { file, port, host: host ?? LOOPBACK };
}

function portFrom(flags: Flags): number | undefined {
  return flags.integerOr('watch', DEFAULT_PORT, 0, MAX_PORT);
}
