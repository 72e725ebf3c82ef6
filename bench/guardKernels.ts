// The cases of the kernel benchmark from two source trees, each bundled from its own sources,
// alternating on one core. Layers and kernels belong to each tree, so their interfaces may differ.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle } from '../scripts/bundle.mjs';
import type { KernelCase } from './kernelCase.ts';
import type { kernelCases } from './kernels.ts';
import type { KernelNetName } from './nets.ts';
import { type Turns, takeTurns } from './turns.ts';

/** Yields the cases one after another. */
export type KernelCases = (nets: readonly KernelNetName[]) => Iterable<KernelCase>;

const LIST = 'bench/kernels.ts';
/** The length of one side's turn: long compared with a clock read, short compared with
 * disturbances. */
const TURN_MS = 5;
const WARM_UP_TURNS = 4;
const MIN_TURNS = 8;

/** The cases of a tree. If the tree is older than the list of cases, it gets this tree's list, with
 * its own layers and kernels. Throws if they do not fit. */
export async function kernelCasesOf(
  tree: string,
  root: string,
  outfile: string,
): Promise<KernelCases> {
  const list = join(tree, LIST);
  const hasList = readFileSync(list, 'utf8').includes('export function* kernelCases(');
  await bundle(list, outfile, hasList ? {} : { [list]: join(root, LIST) });
  return ((await import(pathToFileURL(outfile).href)) as Bundle).kernelCases;
}

interface Bundle {
  readonly kernelCases: typeof kernelCases;
}

/** The same case of both trees; with one side if the other has no such case. */
export interface CasePair {
  readonly name: string;
  readonly own?: KernelCase;
  readonly other?: KernelCase;
}

/** Pairs the cases by name, each as soon as both exist, then those without a partner. */
export async function* casePairs(
  own: Iterable<KernelCase>,
  other: AsyncIterable<KernelCase>,
): AsyncGenerator<CasePair> {
  const waiting = new Map<string, CasePair>();
  const sides = [
    ['own', own[Symbol.iterator]()] as const,
    ['other', other[Symbol.asyncIterator]()] as const,
  ];
  for (let countDone = 0; countDone < sides.length; ) {
    countDone = 0;
    for (const [side, cases] of sides) {
      const next = await cases.next();
      if (next.done) {
        countDone++;
        continue;
      }
      const { kernel, shape } = next.value;
      const name = `${kernel} ${shape}`;
      const pair = { ...waiting.get(name), name, [side]: next.value };
      if (pair.own === undefined || pair.other === undefined) waiting.set(name, pair);
      else if (waiting.delete(name)) yield pair;
    }
  }
  yield* waiting.values();
}

/** Runs both alternately, for this many seconds each. */
export function runInTurns(own: KernelCase, other: KernelCase, seconds: number): Promise<Turns> {
  const countOf = ({ run }: KernelCase): number => {
    run();
    return Math.max(1, Math.round(TURN_MS / timeRuns(run, 2)));
  };
  const runs = Math.max(countOf(own), countOf(other));
  for (let turn = 0; turn < WARM_UP_TURNS; turn++) {
    for (const { run } of [own, other]) timeRuns(run, runs);
  }
  const turns = Math.max(MIN_TURNS, Math.round((seconds * 1000) / TURN_MS));
  return takeTurns(
    turns,
    () => timeRuns(own.run, runs),
    () => timeRuns(other.run, runs),
  );
}

/** Milliseconds per run. */
function timeRuns(run: () => void, count: number): number {
  const startMs = performance.now();
  for (let i = 0; i < count; i++) run();
  return (performance.now() - startMs) / count;
}
