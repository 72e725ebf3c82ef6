// `npm run bench -- start`: how long a process takes until the package is imported, the command has
// printed its version or its help, and the first step of `npm start` is done. Each run is a
// separate process, alternating with `node -e 0`, which does nothing.

import { spawnSync } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { CAC } from 'cac';
import { UsageError } from '../src/base/errors.ts';
import { describeMachine } from './machine.ts';
import { count } from './options.ts';
import { finish, type OutputFlags } from './output.ts';
import { summarize } from './stats.ts';

const DEFAULT_ROUNDS = 20;

interface StartFlags extends OutputFlags {
  readonly rounds?: unknown;
  readonly node?: unknown;
}

interface Started {
  readonly name: string;
  /** Node's arguments. */
  readonly args: readonly string[];
  /** The time that counts, from the process's output and its duration. */
  readonly msOf: (stdout: string, wallMs: number) => number;
}

export interface StartResult {
  readonly bench: 'start';
  readonly node: string;
  readonly what: string;
  readonly runs: number;
  readonly msMin: number;
  readonly msP50: number;
  readonly msP99: number;
}

const wall = (_stdout: string, wallMs: number): number => wallMs;

/** All measurements for the package in a folder. `data` is the data of the first step. */
function startsOf(root: URL, data: string): readonly Started[] {
  const cli = fileURLToPath(new URL('dist/cli.js', root));
  const index = new URL('dist/index.js', root).href;
  const importing = `const t = performance.now();
    import(${JSON.stringify(index)}).then(() => console.log(performance.now() - t));`;
  const train = ['train', '--data', data, '--norm', 'sync', '--replicas', '8', '--epochs', '1'];
  const first = ['--schedule', 'cosine', '--max-steps', '1', '--profile', '--json'];
  return [
    { name: 'node -e 0', args: ['-e', '0'], msOf: wall },
    { name: "import 'syncbn'", args: ['-e', importing], msOf: (stdout) => Number(stdout) },
    { name: 'syncbn --version', args: [cli, '--version'], msOf: wall },
    { name: 'syncbn --help', args: [cli, '--help'], msOf: wall },
    { name: 'first step of npm start', args: [cli, ...train, ...first], msOf: firstStepMs },
  ];
}

/** The first step's time in a run's profile; the run itself continues to its end. */
function firstStepMs(stdout: string): number {
  for (const line of stdout.split('\n')) {
    if (line === '') continue;
    const event = JSON.parse(line) as { readonly event: string; readonly firstStepMs: number };
    if (event.event === 'profile') return event.firstStepMs;
  }
  throw new Error('The run printed no profile.');
}

function measure(node: string, { name, args, msOf }: Started): number {
  const startMs = performance.now();
  const { status, stdout, stderr } = spawnSync(node, args, { encoding: 'utf8' });
  const wallMs = performance.now() - startMs;
  if (status === 0) return msOf(stdout, wallMs);
  const problem = `fails under ${node}: ${stderr.trim()}`;
  throw new UsageError({ what: name, problem, hint: 'npm run build:code' });
}

function start(flags: StartFlags): void {
  const isSmoke = flags.smoke === true;
  const rounds = isSmoke ? 1 : count('--rounds', flags.rounds ?? DEFAULT_ROUNDS);
  const node = flags.node === undefined ? process.execPath : String(flags.node);
  const starts = startsOf(pathToFileURL(`${process.cwd()}/`), isSmoke ? 'synthetic' : 'mnist');
  const times = starts.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, one] of starts.entries()) times[i]!.push(measure(node, one));
    console.error(`round ${round + 1} of ${rounds}`);
  }
  const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  const results = starts.map(({ name }, i): StartResult => {
    const { min, p50, p99 } = summarize(times[i]!);
    const ms = { msMin: min, msP50: p50, msP99: p99 };
    return { bench: 'start', node: stdout.trim(), what: name, runs: rounds, ...ms };
  });
  if (flags.json) for (const result of results) console.log(JSON.stringify(result));
  const rows = results.map(({ what, msP50, msMin, msP99 }) => ({
    what,
    'ms p50': msP50.toFixed(1),
    min: msMin.toFixed(1),
    p99: msP99.toFixed(1),
  }));
  finish({ name: 'start', flags, machine: describeMachine({ torch: null }), rows, results });
}

/** Adds the benchmark to the command. */
export function addStart(cli: CAC): void {
  cli
    .command('start', 'How long until the package is imported and the first step is done')
    .option('--rounds <n>', `Processes for each figure; default ${DEFAULT_ROUNDS}`)
    .option('--node <file>', 'Use this Node; default the one that runs the benchmark')
    .option('--json', 'One JSON object per line instead of a table')
    .option('--save', 'Append to bench/results/start.jsonl')
    .option('--smoke', 'As short as it can be, for tests')
    .action(start);
}
