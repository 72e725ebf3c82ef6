// The version of this package, from its package.json, regardless of where the code was built.

import { readFileSync } from 'node:fs';
import { ownFile } from './ownFile.ts';

export function packageVersion(): string {
  const text = readFileSync(ownFile('syncbn/package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
