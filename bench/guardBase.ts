// The commit that the working tree is compared with: which one, and a build of it in a worktree
// among the caches of node_modules, which is kept for the next run.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RunError, UsageError } from '../src/base/errors.ts';
import { lastLines } from './served.ts';

/** A commit, and how it was chosen. */
export interface Base {
  readonly commit: string;
  readonly why: string;
}

const UPSTREAMS = ['@{upstream}', 'origin/HEAD', 'main', 'master'] as const;
const SHOWN_DIGITS = 10;
/** For a build that fails. */
const SHOWN_LINES = 20;

export function shortOf(commit: string): string {
  return commit.slice(0, SHOWN_DIGITS);
}

/** The given commit. By default, the one where this branch left its upstream branch; if it has not,
 * the commit before the current changes. Throws a UsageError if there is none. */
export function chooseBase(root: string, given: string | undefined): Base {
  if (gitSays(root, 'rev-parse', '--git-dir') === undefined) {
    const hint = 'npm run bench -- against DIR, with a build of the other version in DIR';
    throw new UsageError({ what: 'guard', problem: 'requires a git repository', hint });
  }
  if (given !== undefined) {
    const commit = commitOf(root, given);
    if (commit !== undefined) return { commit, why: given };
    throw new UsageError({ what: 'guard', given, allowed: 'a commit of this repository' });
  }
  const head = commitOf(root, 'HEAD');
  for (const upstream of UPSTREAMS) {
    const commit = gitSays(root, 'merge-base', 'HEAD', upstream);
    if (commit !== undefined && commit !== head) {
      return { commit, why: `where this branch left ${upstream}` };
    }
  }
  const hasChanges = gitSays(root, 'status', '--porcelain') !== '';
  if (hasChanges && head !== undefined) return { commit: head, why: 'HEAD, before these changes' };
  const commit = commitOf(root, 'HEAD~1');
  if (commit !== undefined) return { commit, why: 'HEAD~1' };
  const hint = 'git fetch --unshallow, or npm run bench -- guard COMMIT';
  throw new UsageError({ what: 'guard', problem: 'found no commit before this one', hint });
}

function commitOf(root: string, name: string): string | undefined {
  return gitSays(root, 'rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`);
}

/** Git's output; undefined if it fails. */
function gitSays(root: string, ...args: readonly string[]): string | undefined {
  try {
    const stdio = ['ignore', 'pipe', 'ignore'] as ['ignore', 'pipe', 'ignore'];
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio }).trim();
  } catch {
    return undefined;
  }
}

/** The folder with a build of a commit, which is made if it does not exist yet. */
export function buildOf(root: string, commit: string): string {
  const cache = join(root, 'node_modules/.cache/syncbn-guard');
  const folder = join(cache, commit);
  const mark = `${folder}.built`;
  if (existsSync(mark) && existsSync(join(folder, 'dist/index.js'))) return folder;
  mkdirSync(cache, { recursive: true });
  console.error(`Building ${shortOf(commit)} in ${folder}.`);
  // Forced, since one may be registered here from before node_modules was emptied.
  const add = ['worktree', 'add', '--force', '--detach', folder, commit];
  if (!existsSync(join(folder, '.git'))) run(root, 'git', add);
  linkPackages(root, folder);
  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  run(folder, ...npm('run', 'build:code' in scripts ? 'build:code' : 'build', '--silent'));
  writeFileSync(mark, '');
  return folder;
}

/** Links the packages of this tree if the commit needs the same ones; otherwise installs its
 * own. */
function linkPackages(root: string, folder: string): void {
  const packages = join(folder, 'node_modules');
  const lockOf = (tree: string): string => readFileSync(join(tree, 'package-lock.json'), 'utf8');
  const isSame = lockOf(root) === lockOf(folder);
  if (isSame && !existsSync(packages)) symlinkSync(join(root, 'node_modules'), packages, 'dir');
  else if (!isSame) run(folder, ...npm('ci', '--no-audit', '--no-fund'));
}

function npm(...args: readonly string[]): [file: string, args: readonly string[]] {
  const script = process.env.npm_execpath;
  return script === undefined ? ['npm', args] : [process.execPath, [script, ...args]];
}

/** Runs a program; its output is shown if it fails. */
function run(cwd: string, file: string, args: readonly string[]): void {
  const { status, error, stdout, stderr } = spawnSync(file, args, { cwd, encoding: 'utf8' });
  if (status === 0) return;
  const how = error?.message ?? lastLines(`${stdout}\n${stderr}`, SHOWN_LINES);
  throw new RunError({ reason: `${file} ${args.join(' ')} failed in ${cwd}: ${how}` });
}
