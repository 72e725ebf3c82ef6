// The machine that a figure belongs to: one line for people, one object for results.

import { availableParallelism, cpus, loadavg } from 'node:os';

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly node: string;
  /** Running processes when the benchmark starts, averaged over a minute. Above 0, others use part
   * of the time. */
  readonly load: number;
  /** Version of PyTorch; null if it is missing or was not requested. */
  readonly torch: string | null;
  /** The same of Open MPI. */
  readonly openmpi?: string | null;
}

export function describeMachine(peers: Pick<Machine, 'torch' | 'openmpi'>): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    node: process.versions.node,
    load: Math.round(loadavg()[0]! * 100) / 100,
    ...peers,
  };
}

export function showMachine(machine: Machine): string {
  const { cores, cpu, node, load, torch, openmpi = null } = machine;
  const peers = [
    torch === null ? '' : `, PyTorch ${torch}`,
    openmpi === null ? '' : `, Open MPI ${openmpi}`,
  ];
  return `${cores} cores, ${cpu}, Node ${node}${peers.join('')}, load at the start ${load}`;
}
