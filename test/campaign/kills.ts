// kills: real runs of the command are killed, stopped, cut off from their output and out of disk
// space at random moments, and restarted until they finish with the weights of an undisturbed run.
// After each blow the checkpoint on disk is intact and holds the reported step.

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import { nn } from '../../src/index.ts';
import { type Campaign, fail, within } from './campaign.ts';
import { type Ended, type Running, startCommand } from './command.ts';
import { Dice } from './dice.ts';
import { openSmallDisk, type SmallDisk } from './smallDisk.ts';

/** Blows per case; after that the run is undisturbed. */
const MAX_BLOWS = 6;
/** Starts per case; there are fewer if some blows do not end the run. */
const MAX_STARTS = 12;
const RUN_TIMEOUT_MS = 90_000;
/** Runs differ by their settings; their undisturbed results are kept. */
const SETTINGS = 12;
/** A stop that is longer than the workers' patience. */
const TIMEOUT_MS = 2000;
const STOP_MS = 2600;
const EVERY = ['--checkpoint-every', '7'];
/** Checkpoints that stay, in half of the cases. */
const KEPT = 3;
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

type Catchable = keyof typeof EXIT_CODES;
type Way = 'SIGKILL' | Catchable | 'twice' | 'STOP' | 'head' | 'fullLog' | 'fullDisk';

const WAYS: readonly Way[] = [
  ...(['SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGTERM', 'SIGINT'] as const),
  ...(['SIGINT', 'SIGHUP', 'SIGHUP', 'twice', 'STOP', 'head', 'fullLog', 'fullDisk'] as const),
];

interface Setup {
  readonly start: readonly string[];
  readonly hash: string;
  readonly keeps: boolean;
  /** How long the undisturbed run took. */
  readonly ms: number;
}

interface Counts {
  readonly blows: Map<string, number>;
  starts: number;
}

export const kills: Campaign = {
  name: 'kills',
  counts: 'kills',
  promise: 'A run that is killed and started again ends with the weights of an undisturbed one.',
  caseTimeoutMs: 600_000,
  async open({ seed, folder }) {
    const setups = new Map<number, Setup>();
    const disk = openSmallDisk(join(folder, 'disk'));
    const counts: Counts = { blows: new Map(), starts: 0 };
    return {
      async run(dice, index) {
        const which = dice.below(SETTINGS);
        if (!setups.has(which)) setups.set(which, await undisturbed(seed, which, folder));
        const blows = await disturb(
          dice,
          setups.get(which)!,
          join(folder, `${index}`),
          disk,
          counts,
        );
        return blows;
      },
      facts: () => ({ ...Object.fromEntries(counts.blows), starts: counts.starts }),
      close: async () => disk?.close(),
    };
  },
};

/** Flags of a run, and its result if it is undisturbed. */
async function undisturbed(seed: number, which: number, folder: string): Promise<Setup> {
  const dice = new Dice(seed, 900, which);
  const model = join(folder, `model-${which}.json`);
  const hidden = dice.between(4, 24);
  const layers = [nn.flatten(), nn.linear(432, hidden), nn.batchNorm(hidden, { sync: 'all' })];
  const rest = [nn.relu(), nn.dropout(0.1), nn.linear(hidden, 10)];
  writeFileSync(model, JSON.stringify(nn.sequential([...layers, ...rest])));
  const replicas = dice.between(2, 6);
  const start = [
    ...['--data', 'synthetic', '--limit', `${dice.between(150, 400)}`, '--model', model],
    ...['--norm', dice.pick(['sync', 'local', 'group', 'none'])],
    ...['--replicas', `${replicas}`, '--replica-batch', `${dice.between(4, 8)}`, '--drop-last'],
    ...['--epochs', `${dice.between(8, 20)}`, '--lr', '0.01', '--seed', `${which + 1}`],
    ...['--schedule', dice.pick(['constant', 'cosine']), '--timeout-ms', `${TIMEOUT_MS}`],
    ...dice.pick([[], ['--optimizer', 'adamw'], ['--clip-norm', '1']]),
  ];
  const startMs = performance.now();
  const path = join(folder, `undisturbed-${which}.ckpt`);
  const command = startCommand(['train', ...start, '--json', ...checkpointFlags(path)]);
  const ended = await within(RUN_TIMEOUT_MS, command.ended, 'an undisturbed run');
  const done = ended.events.at(-1);
  if (ended.code !== 0 || done?.event !== 'done') {
    fail('an undisturbed run failed', { start: start.join(' '), ended: shown(ended) });
  }
  const ms = performance.now() - startMs;
  return { start, hash: String(done.weightsHash), keeps: which % 2 === 1, ms };
}

function checkpointFlags(path: string): string[] {
  return ['--checkpoint', path, ...EVERY];
}

/** Disturbs a run until it ends by itself; returns the number of blows. */
async function disturb(
  dice: Dice,
  setup: Setup,
  folder: string,
  disk: SmallDisk | undefined,
  counts: Counts,
): Promise<number> {
  mkdirSync(folder);
  const onDisk = disk !== undefined && dice.chance(0.2) ? disk : undefined;
  onDisk?.clear();
  const home = onDisk?.folder ?? folder;
  const path = join(home, 'run.ckpt');
  const history: string[] = [];
  let blows = 0;
  let step = 0;
  for (let starts = 0; starts < MAX_STARTS; starts++) {
    const isLast = blows >= MAX_BLOWS || starts === MAX_STARTS - 1;
    const way = isLast ? undefined : pickWay(dice, onDisk);
    const args = commandOf(dice, setup, path, way);
    counts.starts++;
    const command = startCommand(args);
    const facts = () => ({
      command: `syncbn ${args.join(' ')}`,
      history,
      events: command.events.slice(-6),
    });
    const blow = way === undefined ? undefined : strike(dice, command, way, setup.ms, onDisk);
    const ended = await within(RUN_TIMEOUT_MS, command.ended, `syncbn ${args.join(' ')}`);
    const struck = await blow;
    history.push(`${way ?? 'nothing'} ${struck?.text ?? ''}: ${ended.code ?? ended.signal}`);
    if (struck?.isHit) {
      blows++;
      counts.blows.set(way!, (counts.blows.get(way!) ?? 0) + 1);
    }
    checkEnd(ended, way, struck, facts);
    step = await checkDisk(path, ended, step, facts);
    const done = ended.events.findLast(({ event }) => event === 'done');
    if (done === undefined) continue;
    if (done.weightsHash !== setup.hash) {
      fail('another hash than that of the undisturbed run', { ...facts(), hash: setup.hash, done });
    }
    checkFolder(home, setup.keeps, facts);
    rmSync(folder, { recursive: true });
    return blows;
  }
  return fail(`no end after ${MAX_STARTS} starts`, { setup: setup.start.join(' '), history });
}

/** A finished run leaves its checkpoints, and no files of interrupted saves. */
function checkFolder(home: string, keeps: boolean, facts: () => Record<string, unknown>): void {
  const names = readdirSync(home).filter((name) => name !== 'run.ckpt' && name !== 'filler');
  const kept = names.filter((name) => /^run\.step-\d+\.ckpt$/.test(name));
  const left = names.filter((name) => !kept.includes(name));
  if (left.length > 0) fail(`left behind: ${left.join(', ')}`, facts());
  if (kept.length > (keeps ? KEPT - 1 : 0)) fail(`kept: ${kept.join(', ')}`, facts());
}

function pickWay(dice: Dice, disk: SmallDisk | undefined): Way {
  const way = dice.pick(WAYS);
  return way === 'fullDisk' && disk === undefined ? 'SIGKILL' : way;
}

/** Starts the run, or resumes it from its checkpoint on any number of workers. */
function commandOf(dice: Dice, setup: Setup, path: string, way: Way | undefined): string[] {
  const log = way === 'fullLog' ? ['--log', '/dev/full'] : [];
  const keep = setup.keeps ? ['--keep', `${KEPT}`] : [];
  const files = ['--resume-or-start', path, ...EVERY, ...keep, ...log];
  return ['train', ...setup.start, '--workers', `${dice.between(1, 2)}`, '--json', ...files];
}

interface Struck {
  /** Whether there was a run to hit. */
  readonly isHit: boolean;
  /** Whether the run had reported its start, and therefore handled signals. */
  readonly wasUnderWay: boolean;
  readonly text: string;
}

/** Strikes at a random moment: of the time that the run takes, or right at a checkpoint. */
async function strike(
  dice: Dice,
  command: Running,
  way: Way,
  runMs: number,
  disk: SmallDisk | undefined,
): Promise<Struck> {
  const toGroup = dice.chance(0.4);
  const isAtSave = dice.chance(0.5);
  const afterMs = isAtSave ? dice.uniform(0, 12) : dice.uniform(0.1, 1.1) * runMs;
  const nth = dice.between(1, 30);
  if (isAtSave) await command.told('checkpoint', nth);
  await sleep(afterMs);
  const isHit = command.isAlive();
  const wasUnderWay = command.events.some(({ event }) => event === 'start');
  const where = isAtSave ? `after checkpoint ${nth}` : `after ${Math.round(afterMs)} ms`;
  const text = `${where}${toGroup ? ', to the group' : ''}`;
  if (!isHit) return { isHit, wasUnderWay, text: `${text}, too late` };
  if (way === 'twice') {
    command.kill('SIGINT', toGroup);
    await sleep(dice.below(3));
    command.kill('SIGINT', toGroup);
  } else if (way === 'STOP') {
    command.kill('SIGSTOP', toGroup);
    await sleep(STOP_MS);
    command.kill('SIGCONT', toGroup);
  } else if (way === 'head') {
    command.child.stdout!.destroy();
  } else if (way === 'fullDisk') {
    disk!.fill();
    await sleep(dice.uniform(20, 400));
    disk!.empty();
  } else if (way !== 'fullLog') command.kill(way, toGroup);
  return { isHit, wasUnderWay, text };
}

/** The exit codes are the documented ones. */
function checkEnd(
  ended: Ended,
  way: Way | undefined,
  struck: Struck | undefined,
  facts: () => Record<string, unknown>,
): void {
  const { code, signal } = ended;
  if (code === 0) return;
  const wrong = (expected: string): never =>
    fail(`ended with ${code ?? signal}, expected ${expected}`, { ...facts(), ended: shown(ended) });
  const isKill = way === 'SIGKILL';
  if (isKill && signal === 'SIGKILL') return;
  if (way === 'SIGINT' || way === 'SIGTERM' || way === 'SIGHUP' || way === 'twice') {
    const name: Catchable = way === 'twice' ? 'SIGINT' : way;
    if (code === EXIT_CODES[name]) return;
    // Before it listens to signals it dies of them.
    if (signal === name && struck?.wasUnderWay === false) return;
    wrong(`${EXIT_CODES[name]} (${struck?.wasUnderWay ? 'it was' : 'not yet'} under way)`);
  }
  // Incomplete output is not a success, although the run itself continued.
  if (code === 1 && (way === 'fullLog' || way === 'fullDisk')) return;
  wrong(isKill ? 'SIGKILL' : '0');
}

/** Checks that the checkpoint is intact and at least at the reported step; returns its step. */
async function checkDisk(
  path: string,
  ended: Ended,
  before: number,
  facts: () => Record<string, unknown>,
): Promise<number> {
  const told = ended.events.findLast(({ event }) => event === 'checkpoint');
  if (!existsSync(path)) {
    if (told === undefined && before === 0) return 0;
    fail('the checkpoint is gone', facts());
  }
  let step: number;
  try {
    step = (await readCheckpoint(path)).counters.step;
  } catch (error) {
    return fail(`the checkpoint is not whole: ${error}`, facts());
  }
  const least = Math.max(before, Number(told?.step ?? 0));
  if (step < least) fail(`the checkpoint is of step ${step}, not ${least}`, facts());
  return step;
}

function shown({ code, signal, events, stderr }: Ended): unknown {
  return { code, signal, last: events.slice(-3), stderr: stderr.slice(-1500) };
}
