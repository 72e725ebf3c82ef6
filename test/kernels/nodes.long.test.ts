// Training in mode `fast` gives the same bits on every Node version, whether V8 packs vectors or
// not. If it does, its trace shows it, and all kernel tests pass on packed code.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { otherNodes } from '../support/nodes.ts';

const found = otherNodes();
/** Those with this behavior to be looked for, and whatever else is there. */
const MAJORS = [...new Set([24, 26, ...found.map(({ major }) => major)])];
const nodes = MAJORS.map((major) => {
  const node = found.find((one) => one.major === major);
  const why =
    node === undefined ? ' (skipped: SYNCBN_NODES names none, and none is installed)' : '';
  return {
    major,
    isHere: node !== undefined,
    file: node?.file ?? '',
    title: `Node ${major}${why}`,
  };
});

const MODELS = ['refnet', 'resnet20'];
/** One thread optimizes at a time, because lines from several threads would be interleaved. */
const TRACED = ['--trace-wasm-revectorize', '--wasm-num-compilation-tasks=0'];
/** Optimized code from the first call on. */
const OPTIMIZED = ['--no-liftoff', ...TRACED];

/** The number of packed groups of vectors in a trace. */
const packedIn = (trace: string): number => trace.match(/\b[1-9]\d* Packed node/g)?.length ?? 0;

const folder = mkdtempSync(join(tmpdir(), 'syncbn-nodes-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Training {
  readonly hash: string;
  readonly kernels: string;
  readonly stdout: string;
  readonly stderr: string;
}

let files = 0;

/** Runs a Node. What it prints goes to files: of a pipe that is full V8 loses lines of its trace,
 * since Node has made it one that doesn't wait. Rejects with an exit code other than 0. */
async function run(
  node: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Pick<Training, 'stdout' | 'stderr'>> {
  const paths = ['stdout', 'stderr'].map((name) => join(folder, `${files++}.${name}`));
  const [out, err] = paths.map((path) => openSync(path, 'w'));
  const child = spawn(node, args, { env, stdio: ['ignore', out!, err!] });
  const [code] = await once(child, 'close');
  for (const file of [out!, err!]) closeSync(file);
  const [stdout, stderr] = paths.map((path) => readFileSync(path, 'utf8'));
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
  return { stdout: stdout!, stderr: stderr! };
}

/** Trains under a Node with these flags; the trace is on stdout, so the events are in a file. */
async function train(
  node: string,
  model: string,
  { flags = [] as readonly string[], isWide = true, cli = CLI, steps = 4, workers = 2 } = {},
): Promise<Training> {
  const log = join(folder, `${files++}.jsonl`);
  const data = ['--data', 'synthetic', '--limit', '256', '--model', model];
  const threads = ['--workers', `${workers}`];
  const length = ['--epochs', '9', '--max-steps', `${steps}`, '--log', log];
  const { stdout, stderr } = await run(
    node,
    [...flags, cli, 'train', ...data, ...threads, ...length],
    { ...process.env, SYNCBN_WIDE: isWide ? '1' : '0' },
  );
  const events = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { kernels } = events.find(({ event }) => event === 'start');
  return { hash: events.at(-1).weightsHash, kernels, stdout, stderr };
}

describe.each(MODELS)('the weights of %s', (model) => {
  const own = train(process.execPath, model);

  it('are those of this Node without the wide kernels', async () => {
    const narrow = await train(process.execPath, model, { isWide: false });
    expect(narrow.kernels).not.toBe('wide');
    expect((await own).hash).toBe(narrow.hash);
  });

  describe.each(nodes)('under $title', ({ major, file, isHere }) => {
    const isPacking = major >= 24;

    it.skipIf(!isHere)('are the same', async () => {
      const { hash, stderr, kernels } = await train(file, model);
      expect(stderr).toBe('');
      expect(kernels).toBe(isPacking ? 'wide' : 'fast');
      expect(hash).toBe((await own).hash);
    });

    it.skipIf(!isHere)('are the same without the wide kernels', async () => {
      const { hash, kernels } = await train(file, model, { isWide: false });
      expect(kernels).toBe('fast');
      expect(hash).toBe((await own).hash);
    });

    it.skipIf(!isHere || !isPacking)('are the same from packed vectors', async () => {
      const { stdout, hash } = await train(file, model, { flags: OPTIMIZED, workers: 1 });
      // All functions are packed before their first call, including those of the check at startup.
      expect(packedIn(stdout)).toBeGreaterThan(await packedByCheck(file, OPTIMIZED));
      expect(hash).toBe((await own).hash);
    });
  });
});

/** What the comparison with the fast build packs before any run. */
async function packedByCheck(node: string, flags: readonly string[]): Promise<number> {
  const { stdout } = await run(node, [...flags, CLI, 'doctor', '--env']);
  return packedIn(stdout);
}

const packing = nodes.filter(({ major }) => major >= 24);

describe.each(packing)('$title', ({ file, isHere }) => {
  it.skipIf(!isHere)('packs vectors of functions that workers cause it to optimize', async () => {
    const traced = { flags: TRACED, workers: 1, steps: 18 };
    const trained = await train(file, 'refnet', traced);
    const byCheck = await packedByCheck(file, TRACED);
    expect(byCheck).toBeGreaterThan(0);
    expect(packedIn(trained.stdout)).toBeGreaterThan(byCheck);
    const narrow = await train(file, 'refnet', { ...traced, isWide: false });
    expect(packedIn(narrow.stdout)).toBe(0);
    expect(trained.hash).toBe(narrow.hash);
  });

  it.skipIf(!isHere)(
    'does not use wide kernels with different bits, and says so once',
    async () => {
      const home = join(folder, file.replaceAll('/', '_'));
      for (const part of ['dist', 'package.json'])
        cpSync(part, join(home, part), { recursive: true });
      symlinkSync(resolve('node_modules'), join(home, 'node_modules'));
      // Without fused multiply-add.
      cpSync('dist/kernels/strict.wasm', join(home, 'dist/kernels/wide.wasm'));
      const { kernels, stderr } = await train(file, 'refnet', { cli: join(home, 'dist/cli.js') });
      expect(kernels).toBe('fast');
      expect(stderr.match(/The fast kernels run, not the wide ones: .* other bits/g)).toHaveLength(
        1,
      );
    },
  );

  it.skipIf(!isHere)('passes all kernel tests on packed code', async () => {
    // Flags of V8 are those of the whole process, and so of its threads.
    const flags = [...OPTIMIZED, '--experimental-wasm-revectorize'];
    const tests = ['node_modules/vitest/vitest.mjs', 'run', 'test/kernels', '--pool=threads'];
    const { stdout } = await run(file, [...flags, ...tests]);
    expect(packedIn(stdout)).toBeGreaterThan(0);
    expect(stdout).toMatch(/Tests .*passed/);
  });
});
