// set.json of a packed set: its description, and the checksums of its files. Version 2 has a
// checksum for each chunk of samples and everything that training must know in advance, so that the
// set need not be read before. Version 1 has one checksum per file.

import { createHash } from 'node:crypto';
import * as z from 'zod';
import { UsageError } from '../../base/errors.ts';
import { parseData } from '../../base/parse.ts';
import { readDataFile } from '../formats/files.ts';
import type { SetContent } from './setContent.ts';

const FORMAT = 'syncbn set';
export const SET_VERSION = 2;

const fileName = z.string().regex(/^[xy]_(train|test)\.npy$/);
const count = z.number().int().nonnegative();
const common = {
  format: z.literal(FORMAT),
  name: z.string(),
  classes: count,
  classNames: z.array(z.string()),
};
const version1 = z.looseObject({
  ...common,
  version: z.literal(1),
  files: z.record(fileName, z.string()),
});
const version2 = z.looseObject({
  ...common,
  version: z.literal(SET_VERSION),
  chunkSamples: z.number().int().positive(),
  inputShape: z.array(z.number().int().positive()),
  targetShape: z.array(z.number().int().positive()),
  counts: z.strictObject({ train: z.number().int().positive(), test: count }),
  mean: z.array(z.number()),
  std: z.array(z.number()),
  contentHash: z.string(),
  files: z.record(fileName, z.array(z.string())),
});
const either = z.discriminatedUnion('version', [version1, version2]);

/** The contents of set.json. */
export type SetFile = z.infer<typeof either>;

/** The text of set.json; `made` describes how the set was made. */
export function setText(content: SetContent & { readonly [made: string]: unknown }): string {
  const head = { format: FORMAT, version: SET_VERSION };
  return `${JSON.stringify({ ...head, ...content }, null, 1)}\n`;
}

/** Reads set.json. Throws a {@link UsageError}. */
export async function readSetFile(file: string): Promise<SetFile> {
  const text = new TextDecoder().decode(await readDataFile(file, () => undefined));
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    throw new UsageError({ what: file, given: text.slice(0, 40), allowed: 'JSON' });
  }
  return parseData(either, data, file);
}

export function checksumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
