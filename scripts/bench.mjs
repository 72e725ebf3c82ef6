// Runs the benchmarks as plain JavaScript. `--build` as the first argument builds the library
// first; standard output is only for results. `--node BINARY` runs everything with another Node.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const outfile = 'node_modules/.cache/syncbn-bench/main.mjs';
const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** Removes `--node BINARY` or `--node=BINARY` from the arguments. */
function takeNode(args) {
  const at = args.findIndex((arg) => arg === '--node' || arg.startsWith('--node='));
  if (at < 0) return { args };
  const isApart = args[at] === '--node';
  const node = isApart ? (args[at + 1] ?? '') : args[at].slice('--node='.length);
  return { node, args: args.toSpliced(at, isApart ? 2 : 1) };
}

/** What is wrong with a binary, if anything. */
function whyNotNode(binary) {
  if (binary === '') return 'nothing was given';
  const { error, stdout = '' } = spawnSync(binary, ['-p', 'process.versions.node'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 20_000,
  });
  if (error) return error.message;
  const [, version, major, minor] = /^((\d+)\.(\d+)\.\S+)\s*$/.exec(stdout ?? '') ?? [];
  if (version === undefined) return 'it is not Node';
  const [leastMajor, leastMinor] = engines.node.match(/\d+/g).map(Number);
  const isNew = +major > leastMajor || (+major === leastMajor && +minor >= leastMinor);
  return isNew ? undefined : `it is Node ${version}`;
}

/** Exits in the same way as the started program. */
function endLike({ status, signal }) {
  if (signal) process.kill(process.pid, signal);
  process.exitCode = status ?? 1;
}

function build() {
  const npm = process.env.npm_execpath;
  const args = ['run', 'build', '--silent'];
  const [file, ...rest] = npm === undefined ? ['npm', ...args] : [process.execPath, npm, ...args];
  return spawnSync(file, rest, { stdio: ['ignore', process.stderr.fd, 'inherit'] });
}

function runWith(node, args) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' });
  // A terminal sends it to both processes; the benchmark decides what to do.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill());
  child.on('close', (status, signal) => {
    process.removeAllListeners();
    endLike({ status, signal });
  });
}

async function main() {
  const isToBuild = process.argv[2] === '--build';
  const { node, args } = takeNode(process.argv.slice(isToBuild ? 3 : 2));
  const why = node === undefined ? undefined : whyNotNode(node);
  if (why !== undefined) {
    console.error(`--node: expected a binary of Node ${engines.node}, got "${node}": ${why}.`);
    process.exitCode = 1;
    return;
  }
  const built = isToBuild ? build() : { status: 0, signal: null };
  if (built.status !== 0) return endLike(built);
  if (node !== undefined) return runWith(node, args);
  await bundle('bench/main.ts', outfile);
  process.argv.splice(2, process.argv.length, ...args);
  await import(pathToFileURL(outfile).href);
}

await main();
