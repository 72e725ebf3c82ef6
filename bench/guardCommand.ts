// `npm run bench -- guard`: whether the working tree is slower than a commit, in training and in
// each kernel. Both builds are in one process and take turns. Exits with 1 if anything is slower.

import { fileURLToPath } from 'node:url';
import type { CAC } from 'cac';
import { InvariantError } from '../src/base/errors.ts';
import { buildOf, chooseBase, shortOf } from './guardBase.ts';
import { casePairs, kernelCasesOf, runInTurns } from './guardKernels.ts';
import type { KernelCase } from './kernelCase.ts';
import { describeMachine } from './machine.ts';
import { KERNEL_NETS, type KernelNetName, NETS } from './nets.ts';
import { finish, type OutputFlags, type Row } from './output.ts';
import { type Library, NORMS, type TrainSetting } from './train.ts';
import { showSetting } from './trainCommand.ts';
import { loadBuild, type Turns, type TurnTimes, trainInTurns } from './turns.ts';
import { type Judged, judge, type Speed, TOLERANCE } from './verdict.ts';

interface GuardFlags extends OutputFlags {
  readonly quick?: boolean;
}

/** How much is measured. */
interface Plan {
  readonly settings: readonly TrainSetting[];
  readonly times: TurnTimes;
  readonly kernelNets: readonly KernelNetName[];
  readonly kernelSeconds: number;
}

/** Both builds, and the folder with the commit's sources. */
interface Sides {
  readonly own: Library;
  readonly other: Library;
  readonly folder: string;
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MIN_TURNS = 8;

function planOf({ quick = false, smoke = false }: GuardFlags): Plan {
  const sizes = quick ? [2, 32] : [2, 8, 32];
  const grid = NETS.flatMap((net) =>
    NORMS.flatMap((norm) =>
      sizes.map((replicaBatch) => ({ net, norm, replicas: 2, workers: 2, replicaBatch })),
    ),
  );
  return {
    settings: smoke ? grid.slice(0, 1) : grid,
    times: {
      seconds: smoke ? 0.1 : quick ? 0.8 : 3,
      warmUpSeconds: smoke ? 0.1 : quick ? 0.3 : 1,
      minTurns: MIN_TURNS,
    },
    kernelNets: smoke ? ['refnet'] : KERNEL_NETS,
    kernelSeconds: smoke ? 0.01 : quick ? 0.1 : 0.3,
  };
}

/** Adds the command. */
export function addGuard(cli: CAC): void {
  cli
    .command('guard [commit]', 'What became slower since a commit; exits with 1 if anything did')
    .option('--quick', 'Fewer settings and less time: under two minutes, but less is noticed')
    .option('--json', 'One JSON object per line instead of a table')
    .option('--save', 'Append to bench/results/guard.jsonl')
    .option('--smoke', 'As short as it can be, for tests')
    .action(guard);
}

async function guard(given: unknown, flags: GuardFlags): Promise<void> {
  const { commit, why } = chooseBase(ROOT, given === undefined ? undefined : String(given));
  console.error(`Comparing with ${shortOf(commit)} (${why}).`);
  const folder = buildOf(ROOT, commit);
  const machine = describeMachine({ torch: null });
  const plan = planOf(flags);
  const sides: Sides = { own: await builtIn(ROOT), other: await builtIn(folder), folder };
  const found = await judge(async (isWanted, keep) => {
    await compareTraining(sides, plan, isWanted, keep);
    await compareKernels(sides, plan, isWanted, keep);
  });
  const results = found.map((result) => ({ bench: 'guard', commit, ...result }) as const);
  if (flags.json) for (const result of results) console.log(JSON.stringify(result));
  finish({ name: 'guard', flags, machine, rows: results.map(rowOf), results });
  const slower = results.filter(({ verdict }) => verdict === 'slower');
  for (const { name, ratio } of slower) {
    console.error(`Slower by more than ${100 * TOLERANCE} %: ${name}: ${showSpeed(ratio)}`);
  }
  if (slower.length > 0) process.exitCode = 1;
}

async function builtIn(folder: string): Promise<Library> {
  const library = await loadBuild(folder);
  if (library !== undefined) return library;
  throw new InvariantError('build', `none in ${folder}`, 'dist/index.js');
}

async function compareTraining(
  { own, other }: Sides,
  { settings, times }: Plan,
  isWanted: (name: string) => boolean,
  keep: (name: string, turns: Turns) => void,
): Promise<void> {
  for (const setting of settings) {
    const name = showSetting(setting);
    if (!isWanted(name)) continue;
    console.error(name);
    keep(name, await trainInTurns([own, setting], [other, setting], times));
  }
}

/** Every kernel that both have; reports which are not compared. */
async function compareKernels(
  { folder }: Sides,
  { kernelNets, kernelSeconds }: Plan,
  isWanted: (name: string) => boolean,
  keep: (name: string, turns: Turns) => void,
): Promise<void> {
  const own = (await kernelCasesOf(ROOT, ROOT, `${folder}.own.mjs`))(kernelNets);
  const others = othersOf(folder, kernelNets);
  for await (const { name, own: ours, other } of casePairs(own, others)) {
    if (!isWanted(name)) continue;
    if (ours === undefined || other === undefined) {
      console.error(`${name} is not compared: only one of the two has it.`);
      continue;
    }
    console.error(name);
    keep(name, await runInTurns(ours, other, kernelSeconds));
  }
}

/** The cases of the commit. If its sources do not fit this benchmark, that is reported, and no more
 * cases follow. */
async function* othersOf(
  folder: string,
  nets: readonly KernelNetName[],
): AsyncGenerator<KernelCase> {
  try {
    yield* (await kernelCasesOf(folder, ROOT, `${folder}.kernels.mjs`))(nets);
  } catch (error) {
    console.error(`Kernels of the commit do not fit this benchmark: ${(error as Error).message}`);
  }
}

function rowOf({ name, ms, otherMs, ratio, verdict }: Judged): Row {
  return {
    name,
    ms: ms.toPrecision(3),
    'of the commit': otherMs.toPrecision(3),
    'times as fast': ratio.p50.toFixed(3),
    'between (99 %)': `${ratio.low.toFixed(3)} and ${ratio.high.toFixed(3)}`,
    verdict,
  };
}

function showSpeed({ p50, low, high }: Speed): string {
  return `${p50.toFixed(3)} times as fast, between ${low.toFixed(3)} and ${high.toFixed(3)}`;
}
