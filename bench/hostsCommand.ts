// `npm run bench -- hosts`: compares steps of several hosts, as predicted by `syncbn simulate
// --hosts`, with real ones. The hosts are network namespaces of this machine with rate-limited
// cards. If there cannot be any, the benchmark says why and measures nothing.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CAC } from 'cac';
import { RunError } from '../src/base/errors.ts';
import { medianOf } from '../src/base/median.ts';
import type { HostsPrediction } from '../src/simulate/hosts.ts';
import { type Hosts, printedBy, whyNoHosts, withHosts } from './hostNetwork.ts';
import { describeMachine } from './machine.ts';
import { NETS, type UsualNetName } from './nets.ts';
import { count, countList, seconds, wordList } from './options.ts';
import { finish, type OutputFlags, type Row } from './output.ts';
import { processCommand } from './peers.ts';
import { servePeer } from './served.ts';

interface HostsFlags extends OutputFlags {
  readonly hosts?: unknown;
  readonly rate?: unknown;
  readonly link?: unknown;
  readonly net?: unknown;
  readonly batch?: unknown;
  readonly seconds?: unknown;
}

/** One setting, in milliseconds per step. */
interface HostsResult {
  readonly bench: 'hosts';
  readonly net: UsualNetName;
  readonly hosts: number;
  readonly batch: number;
  readonly rate: string;
  readonly link: string;
  readonly predicted: number;
  readonly compute: number;
  readonly statistics: number;
  readonly gradients: number;
  readonly measured: number;
  /** Predicted over measured, less 1: the median of the rounds. */
  readonly error: number;
}

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const DEFAULTS = { hosts: 2, rate: '100mbit', batch: '32,128', seconds: 10 } as const;
const ROUNDS = 5;
/** Turns of each share within a prediction. */
const SHARE_ROUNDS = 8;

/** Adds the command. */
export function addHosts(cli: CAC): void {
  cli
    .command('hosts', 'Predictions of simulate --hosts and real steps over limited links')
    .option('--hosts <n>', `Network namespaces, one worker each; default ${DEFAULTS.hosts}`)
    .option('--rate <rate>', `Of a card, as tc writes it; default ${DEFAULTS.rate}`)
    .option('--link <name>', 'Predict with this preset; default: as the doctor measures')
    .option('--net <names>', `Default ${NETS.join(',')}`)
    .option('--batch <sizes>', `Global batches; default ${DEFAULTS.batch}`)
    .option('--seconds <seconds>', `Measured for each; default ${DEFAULTS.seconds}`)
    .option('--json', 'One JSON object per line instead of a table')
    .option('--save', 'Append to bench/results/hosts.jsonl')
    .action(compareHosts);
}

async function compareHosts(flags: HostsFlags): Promise<void> {
  const nets = wordList('--net', flags.net ?? NETS, NETS);
  const batches = countList('--batch', flags.batch ?? DEFAULTS.batch);
  const hosts = count('--hosts', flags.hosts ?? DEFAULTS.hosts);
  const secondsEach = seconds('--seconds', flags.seconds ?? DEFAULTS.seconds);
  const rate = String(flags.rate ?? DEFAULTS.rate);
  const why = whyNoHosts();
  if (why !== undefined) {
    console.error(`Skipped: ${why}.`);
    return;
  }
  const machine = describeMachine({ torch: null });
  const folder = mkdtempSync(join(tmpdir(), 'syncbn-bench-'));
  try {
    const results = await withHosts({ count: hosts, rate, folder }, async (network) => {
      const link = flags.link === undefined ? await doctorOf(network, folder) : String(flags.link);
      const done: HostsResult[] = [];
      for (const net of nets) {
        for (const batch of batches) {
          console.error(`${net}, a batch of ${batch} on ${hosts} hosts`);
          const setting = { net, batch, rate, link };
          done.push(await compare(network, setting, secondsEach));
          if (flags.json) console.log(JSON.stringify(done[done.length - 1]));
        }
      }
      return done;
    });
    finish({ name: 'hosts', flags, machine, rows: results.map(rowOf), results });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Lets the doctor measure the link; returns its file. */
async function doctorOf(network: Hosts, folder: string): Promise<string> {
  const file = join(folder, 'doctor.json');
  const command = [process.execPath, CLI, 'doctor', '--mpi', '--json'];
  writeFileSync(file, await printedBy(network.mpiLine(command)));
  return file;
}

/** Predicts and measures alternately, so that a drifting machine affects both. While hosts predict,
 * the training processes sleep. */
async function compare(
  network: Hosts,
  setting: Pick<HostsResult, 'net' | 'batch' | 'rate' | 'link'>,
  secondsEach: number,
): Promise<HostsResult> {
  const { net, batch } = setting;
  const run = { net, norm: 'sync', replicas: 1, replicaBatch: batch } as const;
  const [file, ...args] = network.mpiLine(processCommand(run));
  const peer = servePeer('syncbn on several hosts', file, args);
  try {
    const rounds: (Times & { readonly measured: number })[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const { msPerStep } = await peer.measure(secondsEach / ROUNDS);
      rounds.push({ ...(await predict(network, setting)), measured: msPerStep.p50 });
    }
    const middle = (of: (round: (typeof rounds)[number]) => number): number =>
      medianOf(rounds.map(of));
    return {
      bench: 'hosts',
      ...setting,
      hosts: network.count,
      predicted: middle(({ ms }) => ms),
      compute: middle(({ computeMs }) => computeMs),
      statistics: middle(({ statisticsMs }) => statisticsMs),
      gradients: middle(({ gradientsMs }) => gradientsMs),
      measured: middle(({ measured }) => measured),
      error: middle(({ ms, measured }) => ms / measured - 1),
    };
  } finally {
    await peer.close();
  }
}

type Times = Pick<HostsPrediction, 'ms' | 'computeMs' | 'statisticsMs' | 'gradientsMs'>;

/** Predicts on all hosts simultaneously, since they share the cores of this machine as in training;
 * returns the mean. */
async function predict(
  network: Hosts,
  { net, batch, link }: Pick<HostsResult, 'net' | 'batch' | 'link'>,
): Promise<Times> {
  const flags = ['--hosts', `${network.count}`, '--measure', '--workers', '1', '--link', link];
  const size = ['--net', net, '--batch', `${batch}`, '--rounds', `${SHARE_ROUNDS}`, '--json'];
  const command = [process.execPath, CLI, 'simulate', ...flags, ...size];
  const all = Array.from({ length: network.count }, (_, host) => network.run(host, command));
  const found = (await Promise.all(all)).map((printed) => predictionIn(printed, network.count));
  const mean = (of: keyof Times): number =>
    found.reduce((sum, times) => sum + times[of], 0) / found.length;
  return {
    ms: mean('ms'),
    computeMs: mean('computeMs'),
    statisticsMs: mean('statisticsMs'),
    gradientsMs: mean('gradientsMs'),
  };
}

function predictionIn(printed: string, hosts: number): HostsPrediction {
  const events = printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Partial<HostsPrediction> & { readonly event: string });
  const found = events.find((event) => event.event === 'prediction' && event.hosts === hosts);
  if (found !== undefined) return found as HostsPrediction & typeof found;
  throw new RunError({ reason: `syncbn simulate predicted nothing for ${hosts} hosts` });
}

function rowOf(result: HostsResult): Row {
  const { net, batch, compute, statistics, gradients, predicted, measured, error } = result;
  const ms = (value: number): string => value.toPrecision(3);
  return {
    net,
    batch,
    'compute ms': ms(compute),
    statistics: ms(statistics),
    gradients: ms(gradients),
    predicted: ms(predicted),
    measured: ms(measured),
    error: `${error < 0 ? '' : '+'}${(error * 100).toFixed(0)} %`,
  };
}
