// Finds and starts the peers, which are not dependencies: a benchmark reports which are missing and
// continues without them. PyTorch DistributedDataParallel over gloo, JavaScript libraries from a
// folder of the user, and this library in several processes.

import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { findMpirun } from '../src/mpi/findMpirun.ts';
import { mpirunLine } from '../src/mpi/mpirun.ts';
import { NETS, type NetName, type UsualNetName } from './nets.ts';
import { peerProgram, type ServedPeer, servePeer } from './served.ts';
import type { Torch } from './torch.ts';
import type { PeerName, TrainPeer, TrainSetting } from './train.ts';

/** A PyTorch process takes 200 MB and a core. With more of them, there is nothing to compare. */
const MAX_PROCESSES = 8;
/** The nets that PyTorch has from torchvision. */
const TORCHVISION_NETS: readonly NetName[] = ['resnet18', 'mobilenet-v2'];
/** The only setting for JavaScript libraries: one net, one global batch, one thread. */
const JS_NET = 'refnet';
const JS_BATCH = 32;
/** Their steps take seconds. */
const JS_ROUNDS = 2;

/** The JavaScript libraries that can train such a net, and what they lack. */
export const JS_PEERS = [
  {
    name: 'convnetjs',
    module: 'convnetjs',
    lacks: 'no batch normalization, maximum instead of average pooling, plain float64 loops',
  },
  {
    name: 'tfjs-cpu',
    module: '@tensorflow/tfjs',
    lacks: 'batch normalization of one device only, its plain JavaScript backend',
  },
] as const;

/** Memory formats of PyTorch; `fastest` measures both and takes the faster one. */
export const TORCH_FORMATS = ['default', 'channels_last', 'fastest'] as const;

/** With how many processes PyTorch computes the same: one per replica, or a single one if ours has
 * a single thread. Undefined if it cannot compute the same. */
export function torchProcesses(setting: TrainSetting): number | undefined {
  const { norm, replicas, workers } = setting;
  if (workers === 1 && replicas > 1) return norm === 'local' ? undefined : 1;
  return replicas <= MAX_PROCESSES ? replicas : undefined;
}

/** Whether a PyTorch has a net. */
function hasNet({ build }: Torch, net: NetName): boolean {
  return build.torchvision !== undefined || !TORCHVISION_NETS.includes(net);
}

/** Which PyTorch lacks which nets, and why; empty if none does. */
export function whyTorchLacks(
  settings: readonly TrainSetting[],
  torches: readonly Torch[],
): readonly string[] {
  const nets = [...new Set(settings.map(({ net }) => net))];
  return torches.flatMap((torch) => {
    const lacking = nets.filter((net) => !hasNet(torch, net));
    if (lacking.length === 0) return [];
    const why = 'it has no torchvision (Debian: python3-torchvision)';
    return [`Without ${labelOf(torch)} for ${lacking.join(', ')}: ${why}`];
  });
}

function labelOf({ python, build }: Torch): string {
  return `PyTorch ${build.version} of ${python}`;
}

/** Each PyTorch that can train a setting. */
export function torchPeers(
  setting: TrainSetting,
  torches: readonly Torch[],
  format: (typeof TORCH_FORMATS)[number],
): readonly TrainPeer[] {
  const processes = torchProcesses(setting);
  if (processes === undefined) return [];
  const flags = {
    '--net': setting.net,
    '--norm': setting.norm,
    '--replicas': setting.replicas,
    '--replica-batch': setting.replicaBatch,
    '--processes': processes,
    '--format': format,
  };
  const program = [peerProgram('torch_ddp.py'), '--serve'];
  const args = [...program, ...Object.entries(flags).flatMap(([f, v]) => [f, `${v}`])];
  const able = torches.filter((torch) => hasNet(torch, setting.net));
  return able.map((torch) => {
    const label = labelOf(torch);
    const start = (): ServedPeer => servePeer(label, torch.python, args);
    return {
      name: 'torch-ddp',
      label,
      torch: torch.build,
      workers: processes,
      rounds: Infinity,
      start,
    };
  });
}

/** The launcher of Open MPI, or why it is missing. */
export function findLauncher(): { readonly mpirun: string } | { readonly missing: string } {
  const found = findMpirun(['mpirun.openmpi', 'mpirun'], ['Open MPI']);
  return found ?? { missing: 'no mpirun of Open MPI' };
}

/** The program of each of several processes, with one worker each. */
export function processCommand(
  setting: Pick<TrainSetting, 'norm' | 'replicas' | 'replicaBatch'> & {
    readonly net: UsualNetName;
  },
): readonly string[] {
  const { net, norm, replicas, replicaBatch } = setting;
  const orders = join(mkdtempSync(join(tmpdir(), 'syncbn-bench-')), 'orders');
  const program = peerProgram('processes.mjs');
  return [process.execPath, program, net, norm, `${replicas}`, `${replicaBatch}`, orders];
}

function isUsual(net: NetName): net is UsualNetName {
  return (NETS as readonly NetName[]).includes(net);
}

/** This library in one process per worker, over shared memory; its program trains only the usual
 * nets. */
export function processPeers(setting: TrainSetting, mpirun: string): readonly TrainPeer[] {
  const { net, workers } = setting;
  if (workers < 2 || !isUsual(net)) return [];
  const label = 'syncbn in several processes';
  const start = (): ServedPeer => {
    const [file, ...args] = mpirunLine({
      ...{ family: 'Open MPI', mpirun, hosts: undefined, processes: workers, environment: {} },
      isRoot: process.getuid?.() === 0,
      command: processCommand({ ...setting, net }),
    });
    return servePeer(label, file!, args);
  };
  return [{ name: 'processes', label, workers, rounds: Infinity, start }];
}

/** Which JavaScript libraries are installed in a folder, or else with this project. */
export function findJsPeers(folder: string | undefined): {
  readonly found: readonly PeerName[];
  readonly missing: readonly PeerName[];
} {
  const from = requireFrom(folder);
  const found = JS_PEERS.filter(({ module }) => canResolve(from, module)).map(({ name }) => name);
  const missing = JS_PEERS.map(({ name }) => name).filter((name) => !found.includes(name));
  return { found, missing };
}

/** The available JavaScript libraries, if the setting can be compared. */
export function jsPeers(
  setting: TrainSetting,
  found: readonly PeerName[],
  folder: string | undefined,
): readonly TrainPeer[] {
  const { net, norm, replicas, replicaBatch, workers } = setting;
  const isTheirs = net === JS_NET && norm === 'sync' && workers === 1;
  if (!isTheirs || replicas * replicaBatch !== JS_BATCH) return [];
  return JS_PEERS.filter(({ name }) => found.includes(name)).map(({ name, module, lacks }) => {
    const args = [
      peerProgram('js_trainer.mjs'),
      name,
      requireFrom(folder).resolve(module),
      `${JS_BATCH}`,
    ];
    const start = (): ServedPeer => servePeer(name, process.execPath, args);
    return { name, label: name, workers: 1, rounds: JS_ROUNDS, lacks, start };
  });
}

function requireFrom(folder: string | undefined) {
  if (folder === undefined) return createRequire(import.meta.url);
  return createRequire(resolve(folder, 'package.json'));
}

function canResolve(from: NodeJS.Require, module: string): boolean {
  try {
    from.resolve(module);
    return true;
  } catch {
    return false;
  }
}
