// What the flags of `train` say of a report.

import { UsageError } from '../../base/errors.ts';
import { checkWritable } from '../../base/wholeFile.ts';
import type { Flags } from './flags.ts';

const DEFAULT_PORT = 8710;
const MAX_PORT = 65_535;
const LOOPBACK = '127.0.0.1';

/** What the flags ask for; undefined where it is neither file nor page. */
export interface ReportAsked {
  readonly file: string | undefined;
  readonly port: number | undefined;
  readonly host: string;
}

/** Reads `--report`, `--watch` and `--watch-host`, and tries the file. */
export async function reportAsked(flags: Flags): Promise<ReportAsked | undefined> {
  const file = flags.text('report');
  const port = flags.integerOr('watch', DEFAULT_PORT, 0, MAX_PORT);
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
