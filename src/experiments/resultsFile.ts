// The finished runs of an experiment, one JSON object a line, appended and synced as each ends:
// what a stopped experiment goes on from. A line that was cut off when the process was killed is
// taken off; a file with lines that are wrong otherwise is kept aside, and the good lines are
// used.

import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { InvariantError, UsageError } from '../base/errors.ts';
import { writeWhole } from '../base/wholeFile.ts';
import type { PlainRecord, RunResult } from './experiment.ts';

const RESULTS_NAME = 'results.jsonl';

const plainSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));
const lineSchema = z.object({
  experiment: z.string(),
  /** Of this library: a new one may train otherwise, so its runs are done again. */
  version: z.string(),
  settings: plainSchema,
  values: z.record(z.string(), z.union([z.number(), z.array(z.number())])),
  timings: z.record(z.string(), z.number()),
});
type ResultLine = z.infer<typeof lineSchema>;

/** Whose runs are looked for. */
export interface ResultsOwner {
  readonly experiment: string;
  readonly version: string;
}

export interface ResultsFile {
  readonly path: string;
  /** What had to be done about the file when it was opened; for the user. */
  readonly notices: readonly string[];
  /** The finished run with these settings. */
  find(settings: PlainRecord): RunResult | undefined;
  /** Keeps a result; it is on the disk when this resolves. */
  append(result: RunResult): Promise<void>;
}

/** Opens, or begins, the file in a folder. Throws a {@link UsageError} when it cannot be read. */
export async function openResults(folder: string, owner: ResultsOwner): Promise<ResultsFile> {
  const path = join(folder, RESULTS_NAME);
  const text = await readText(path);
  const { lines, wrong, isCut } = parseLines(text);
  const notices: string[] = [];
  if (wrong > 0) {
    const aside = await keepAside(folder, text);
    notices.push(
      `${wrong} of ${lines.length + wrong} lines of ${path} cannot be read: the file is kept as \
${aside}, their runs are done again.`,
    );
  }
  if (isCut) notices.push(`The last line of ${path} was not whole: its run is done again.`);
  if (wrong > 0 || isCut) await writeWhole(path, path, lines.map(showLine).join(''));

  const results = new Map<string, RunResult>();
  for (const { experiment, version, ...result } of lines) {
    if (experiment === owner.experiment && version === owner.version) {
      results.set(keyOf(result.settings), result);
    }
  }
  return {
    path,
    notices,
    find: (settings) => results.get(keyOf(settings)),
    async append(result) {
      const line = lineSchema.safeParse({ ...owner, ...result });
      if (!line.success) {
        throw new InvariantError('a result', z.prettifyError(line.error), 'finite numbers');
      }
      await appendText(path, showLine(line.data));
      results.set(keyOf(result.settings), result);
    },
  };
}

/** Equal for equal settings, in whatever order they stand. */
export function keyOf(settings: PlainRecord): string {
  return JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function showLine(line: ResultLine): string {
  return `${JSON.stringify(line)}\n`;
}

function parseLines(text: string): {
  readonly lines: readonly ResultLine[];
  readonly wrong: number;
  /** Whether the last line has no end and is no whole object. */
  readonly isCut: boolean;
} {
  const rows = text.split('\n');
  const last = rows.pop()!;
  const parsed = rows.filter((row) => row.trim() !== '').map(parseLine);
  const lines = parsed.filter((line) => line !== undefined);
  return { lines, wrong: parsed.length - lines.length, isCut: last !== '' };
}

function parseLine(row: string): ResultLine | undefined {
  try {
    return lineSchema.parse(JSON.parse(row));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw new UsageError({
      what: path,
      given: error instanceof Error ? error.message : String(error),
      allowed: 'a file of results that can be read',
      hint: 'another --out folder',
    });
  }
}

/** Writes the text under the first name that is free. */
async function keepAside(folder: string, text: string): Promise<string> {
  for (let number = 1; ; number++) {
    const path = join(folder, `results.unreadable-${number}.jsonl`);
    try {
      await writeFile(path, text, { flag: 'wx' });
      return path;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
}

async function appendText(path: string, text: string): Promise<void> {
  const file = await open(path, 'a');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
