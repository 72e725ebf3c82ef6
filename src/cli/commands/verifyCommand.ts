// `syncbn verify`: repeats steps of a run from its checkpoint, split in other ways, and compares
// the weights and running statistics after each step. If all agree, they are reproducible;
// otherwise, it reports the first step and tensor that differ.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { RunError, UsageError } from '../../base/errors.ts';
import { openCheckpoint } from '../../checkpoint/checkpointFile.ts';
import { hashValues, type StateTensor } from '../../checkpoint/state.ts';
import type { Dataset } from '../../data/dataset.ts';
import { cutOf } from '../../nn/graph/cut.ts';
import { buildGraph } from '../../nn/graph/graph.ts';
import { memoryNetworks, type Network } from '../../runtime/network.ts';
import type { ResumeOptions } from '../../runtime/resume.ts';
import { resumeOn } from '../../runtime/start.ts';
import type { RunningTrainer } from '../../runtime/trainerTypes.ts';
import { say, screen } from '../output/screen.ts';
import { printTable } from '../output/tables.ts';
import { paint } from '../output/text.ts';
import { EXIT_FAILED } from '../process/failure.ts';
import type { Flags } from '../settings/flags.ts';
import { allowModulesFrom, dataFrom } from '../settings/settings.ts';

const DEFAULT_STEPS = 5;
const PROCESSES = [2, 3];

/** For each step, the hashes of all weights and running statistics. */
type Hashes = readonly Readonly<Record<string, string>>[];

/** A way to split the same steps. */
interface Split {
  readonly name: string;
  run(): Promise<Hashes>;
}

/** Where a split first differs. */
interface Difference {
  readonly step: number;
  readonly tensor: string;
}

export async function runVerify(flags: Flags, path: string | undefined): Promise<number> {
  if (path === undefined) {
    throw new UsageError({
      what: 'syncbn verify',
      problem: 'requires the checkpoint of a run that has steps left',
      hint: 'syncbn verify run.ckpt',
    });
  }
  const { head } = await openCheckpoint(path);
  const data = await dataFrom(flags, head.data);
  const steps = flags.integer('steps', 1) ?? DEFAULT_STEPS;
  const allowModules = allowModulesFrom(flags);
  const options = { data, ...(allowModules !== undefined && { allowModules }) };
  let most = 1;
  const repeat = async (workers: number, network?: Network): Promise<Hashes> => {
    const { hashes, grains } = await repeatSteps(path, { ...options, workers }, steps, network);
    most = grains;
    return hashes;
  };
  const reference = await repeat(1);
  if (flags.isSet('hashes')) {
    screen.sayJson({ event: 'hashes', steps: reference });
    return 0;
  }
  const node = flags.text('node');
  const isPossible = (count: number): boolean => count <= most;
  const splits: readonly Split[] = [
    ...workerCounts(flags)
      .filter(isPossible)
      .map((workers) => ({ name: `${workers} workers`, run: () => repeat(workers) })),
    ...PROCESSES.filter(isPossible).map((processes) => ({
      name: `${processes} processes of 1 worker`,
      run: () => inProcesses(processes, repeat),
    })),
    ...(node === undefined ? [] : [{ name: node, run: () => underNode(node) }]),
  ];
  const { step } = head.counters;
  const found: { split: string; difference: Difference | undefined }[] = [];
  for (const { name, run } of splits) {
    found.push({ split: name, difference: firstDifference(reference, await run(), step) });
  }
  const isSame = found.every(({ difference }) => difference === undefined);
  const hash = hashOf(Object.values(reference[reference.length - 1]!));
  if (flags.isSet('json')) {
    screen.sayJson({ event: 'verified', isSame, from: step, steps, hash, splits: found });
  } else show(found, { step, steps, hash, isSame });
  return isSame ? 0 : EXIT_FAILED;
}

function workerCounts(flags: Flags): readonly number[] {
  const asked = flags.integer('workers', 1);
  if (asked !== undefined) return [asked];
  return [...new Set([2, 3, availableParallelism()])].filter((count) => count > 1);
}

/** Simulates several processes in this one, each with its own arena and workers. */
async function inProcesses(
  processes: number,
  repeat: (workers: number, network: Network) => Promise<Hashes>,
): Promise<Hashes> {
  const networks = memoryNetworks(processes);
  const all = await Promise.all(networks.map((network) => repeat(1, network)));
  return all[0]!;
}

async function repeatSteps(
  path: string,
  options: ResumeOptions & { readonly data: Dataset },
  steps: number,
  network: Network | undefined,
): Promise<{ readonly hashes: Hashes; readonly grains: number }> {
  const trainer = await resumeOn(network, path, { ...options, diagnosticsEvery: 0, onNotice() {} });
  try {
    const { config } = trainer;
    const graph = buildGraph(config.model, config.data.inputShape);
    const hashes = await hashSteps(trainer, steps, path);
    return { hashes, grains: cutOf(graph, config).count };
  } finally {
    await trainer.close();
  }
}

async function hashSteps(trainer: RunningTrainer, steps: number, path: string): Promise<Hashes> {
  const { schedule, data } = trainer.config;
  // A plateau schedule needs a validation, but its split does not affect the comparison.
  const split = (data.countValidation ?? 0) > 0 ? 'validation' : 'test';
  const validation = schedule.kind === 'plateau' ? ({ validate: split } as const) : {};
  const { epochs, stepsPerEpoch, step: first } = trainer;
  const left = epochs * stepsPerEpoch - first;
  if (left < 1) {
    throw new UsageError({
      what: path,
      problem: `is of a run that has ended, after ${first} steps`,
      hint: 'a checkpoint from before its end (--keep, --checkpoint-every)',
    });
  }
  const hashes: Record<string, string>[] = [];
  for (let step = first + 1; step <= first + Math.min(steps, left); step++) {
    for await (const _ of trainer.fit({ epochs, maxSteps: step, ...validation }));
    const tensors = [...trainer.weights()];
    hashes.push(Object.fromEntries(tensors.map(([name, tensor]) => [name, hashTensor(tensor)])));
  }
  return hashes;
}

function hashTensor({ values }: StateTensor): string {
  const hash = createHash('sha256');
  hashValues(hash, values);
  return hash.digest('hex');
}

function hashOf(texts: readonly string[]): string {
  return createHash('sha256').update(texts.join()).digest('hex');
}

/** The same command under another Node, which only prints its hashes. */
function underNode(node: string): Promise<Hashes> {
  const words = process.argv.slice(2).filter((word) => word !== '--json');
  const args = [process.argv[1]!, ...words, '--hashes', '--json'];
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk;
    });
    child.on('error', (error) => {
      reject(new UsageError({ what: '--node', given: node, allowed: error.message }));
    });
    child.on('close', (code) => {
      const line = printed.split('\n').find((text) => text.includes('"hashes"'));
      if (code === 0 && line !== undefined) {
        resolve((JSON.parse(line) as { steps: Hashes }).steps);
      } else reject(new RunError({ reason: `${node} could not repeat the steps.` }));
    });
  });
}

function firstDifference(a: Hashes, b: Hashes, first: number): Difference | undefined {
  for (const [i, hashes] of a.entries()) {
    const tensor = Object.keys(hashes).find((name) => hashes[name] !== b[i]?.[name]);
    if (tensor !== undefined) return { step: first + i, tensor };
  }
  return undefined;
}

function show(
  found: readonly { readonly split: string; readonly difference: Difference | undefined }[],
  of: { readonly step: number; readonly steps: number; hash: string; readonly isSame: boolean },
): void {
  printTable(
    found.map(({ split, difference }) => ({
      'split over': split,
      state:
        difference === undefined
          ? paint('green', 'the same bits')
          : `differs from step ${difference.step} on, first in ${difference.tensor}`,
    })),
  );
  const steps = `${of.steps} ${of.steps === 1 ? 'step' : 'steps'} from step ${of.step} on`;
  say(of.isSame ? `${steps} can be repeated: ${of.hash.slice(0, 16)}.` : `${steps} differ.`);
}
