// Stores an experiment's finished runs, one JSON object per line, appended and synced as each ends,
// so that a stopped experiment can continue. If lines are torn or lack a value, the whole file is
// copied aside and their runs are repeated. One process at a time can have the file open.

import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { InvariantError, RunError, UsageError } from '../../base/errors.ts';
import { fileError } from '../../base/fileError.ts';
import { type FileLock, lockFile } from '../../base/fileLock.ts';
import { writeWhole } from '../../base/wholeFile.ts';
import type { PlainRecord, RunResult } from './experiment.ts';
import type { ResultSchema } from './resultSchema.ts';

const RESULTS_NAME = 'results.jsonl';
const LOCK_NAME = 'results.lock';
const ALLOWED = 'a file of results that can be read';

const plainSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));
const lineSchema = z.object({
  experiment: z.string(),
  /** The library's version. Another version may train differently, so its runs are repeated. */
  version: z.string(),
  settings: plainSchema,
  values: z.record(z.string(), z.union([z.number(), z.array(z.number())])),
  timings: z.record(z.string(), z.number()),
});
type ResultLine = z.infer<typeof lineSchema>;

/** The experiment that owns the results, and their schema. */
export interface ResultsOwner {
  readonly experiment: string;
  readonly version: string;
  resultSchema(settings: PlainRecord): ResultSchema;
}

export interface ResultsFile {
  readonly path: string;
  /** Tells the user about repairs made when the file was opened. */
  readonly notices: readonly string[];
  /** Returns the finished run with these settings, if any. */
  find(settings: PlainRecord): RunResult | undefined;
  /** Stores a result, which is on disk when the promise resolves. */
  append(result: RunResult): Promise<void>;
  /** Releases the file for other processes. */
  close(): void;
}

/** Opens or creates the file in a folder and locks it until it is closed. Throws a
 * {@link UsageError} if it cannot be read or another process has locked it. */
export async function openResults(folder: string, owner: ResultsOwner): Promise<ResultsFile> {
  const lock = lockFile(join(folder, LOCK_NAME), `--out ${folder}`);
  try {
    return await openLocked(folder, owner, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function openLocked(
  folder: string,
  owner: ResultsOwner,
  lock: FileLock,
): Promise<ResultsFile> {
  const path = join(folder, RESULTS_NAME);
  const bytes = await readBytes(path);
  const rows = bytes.toString('utf8').split('\n');
  const isEnded = rows.at(-1) === '';
  const full = rows.filter((row) => row.trim() !== '');
  const parsed = full.map((row) => ({ row, line: parseLine(row, owner) }));
  const good = parsed.filter(({ line }) => line !== undefined);
  const wrong = parsed.length - good.length;
  const notices: string[] = [];
  if (wrong > 0) {
    const aside = await keepAside(folder, bytes);
    notices.push(
      `${wrong} of ${parsed.length} lines of ${path} cannot be used: the file is kept as \
${aside}, their runs are done again.`,
    );
  }
  if (wrong > 0 || !isEnded) {
    await writeWhole(path, path, good.map(({ row }) => `${row}\n`).join(''));
  }

  const results = new Map<string, RunResult>();
  for (const { line } of good) {
    const { settings, values, timings } = line!;
    if (isOf(owner, line!)) results.set(keyOf(settings), { settings, values, timings });
  }
  return {
    path,
    notices,
    find: (settings) => results.get(keyOf(settings)),
    async append(result) {
      const { experiment, version } = owner;
      const line = parsePlain({ experiment, version, ...result }, owner);
      if (line instanceof z.ZodError) {
        throw new InvariantError('a result', z.prettifyError(line), 'all values, finite');
      }
      await appendText(path, `${JSON.stringify(line)}\n`);
      results.set(keyOf(result.settings), result);
    },
    close: () => lock.release(),
  };
}

/** A key that is equal for equal settings in any order. */
export function keyOf(settings: PlainRecord): string {
  return JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isOf({ experiment, version }: ResultsOwner, line: ResultLine): boolean {
  return line.experiment === experiment && line.version === version;
}

/** Parses a row. Returns undefined unless it is a result of the owner's experiment. */
function parseLine(row: string, owner: ResultsOwner): ResultLine | undefined {
  let plain: unknown;
  try {
    plain = JSON.parse(row);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const line = parsePlain(plain, owner);
  return line instanceof z.ZodError ? undefined : line;
}

function parsePlain(plain: unknown, owner: ResultsOwner): ResultLine | z.ZodError {
  const line = lineSchema.safeParse(plain);
  if (!line.success) return line.error;
  if (!isOf(owner, line.data)) return line.data;
  const result = owner.resultSchema(line.data.settings).safeParse(line.data);
  return result.success ? line.data : result.error;
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    const found = await stat(path);
    if (!found.isFile() && !found.isDirectory()) {
      throw new UsageError({ what: path, given: 'a device or a pipe', allowed: ALLOWED });
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return Buffer.alloc(0);
    }
    throw fileError(path, error, ALLOWED);
  }
}

/** Writes the bytes to the first file name that is not taken. */
async function keepAside(folder: string, bytes: Uint8Array): Promise<string> {
  for (let number = 1; ; number++) {
    const path = join(folder, `results.unreadable-${number}.jsonl`);
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    if (found !== undefined) continue;
    await writeWhole(path, path, bytes);
    return path;
  }
}

async function appendText(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, 'a');
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    const reason = `${path} does not take the result of a run: ${(error as Error).message}`;
    throw new RunError({ reason }, { cause: error });
  }
}
