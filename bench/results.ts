// Saves results on request: appends one JSON object per line, with its date and machine.

import { appendFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Machine } from './machine.ts';

const FOLDER = new URL('./results/', import.meta.url);

/** Appends to bench/results/`name`.jsonl and returns the path. */
export function saveResults(name: string, lines: readonly object[], machine: Machine): string {
  const file = new URL(`${name}.jsonl`, FOLDER);
  const date = new Date().toISOString();
  const text = lines.map((line) => `${JSON.stringify({ date, ...line, machine })}\n`).join('');
  mkdirSync(FOLDER, { recursive: true });
  appendFileSync(file, text);
  return fileURLToPath(file);
}
