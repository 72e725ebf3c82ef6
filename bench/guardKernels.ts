// The cases of the kernels' benchmark from two source trees, each bundled from its own sources, in
// turns on one core. Layers and kernels are each tree's own, so their interfaces may differ.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle } from '../scripts/bundle.mjs';
import type { KernelCase } from './kernelCase.ts';
import type { kernelCases } from './kernels.ts';
import type { KernelNetName } from './nets.ts';
import { type Turns, takeTurns } from './turns.ts';

/** Gives the cases one after the other. */
export type KernelCases = (nets: readonly KernelNetName[]) => Iterable<KernelCase>;

const LIST = 'bench/kernels.ts';
/** What one turn of one side takes: long beside the clock, short beside what disturbs a machine. */
const TURN_MS = 5;
const WARM_UP_TURNS = 4;
const MIN_TURNS = 8;

/** The cases of a tree. One that is older than the list of cases gets the list of this one, with
 * its own layers and kernels. Throws where they do not fit. */
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

/** The same case of both trees; with one side where the other has no such case. */
export interface CasePair {
  readonly name: string;
  readonly own?: KernelCase;
  readonly other?: KernelCase;
}

/** Pairs the cases by name, each as soon as both are there, and at last those that stay alone. */
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

/** Runs both in turns, for so many seconds each. */
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

/** Milliseconds of a run. */
function timeRuns(run: () => void, count: number): number {
  const startMs = performance.now();
  for (let i = 0; i < count; i++) run();
  return (performance.now() - startMs) / count;
}
