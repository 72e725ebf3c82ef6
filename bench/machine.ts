// The machine that a figure belongs to: one line for people, one object for results.

import { availableParallelism, cpus, loadavg } from 'node:os';

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly node: string;
  /** Running processes when the benchmark starts, averaged over a minute: above 0 others take part
   * of the time. */
  readonly load: number;
  /** Version of PyTorch; null where there is none, or nobody asked for it. */
  readonly torch: string | null;
}

export function describeMachine(torch: string | null): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    node: process.versions.node,
    load: Math.round(loadavg()[0]! * 100) / 100,
    torch,
  };
}

export function showMachine(machine: Machine): string {
  const { cores, cpu, node, load, torch } = machine;
  const peer = torch === null ? '' : `, PyTorch ${torch}`;
  return `${cores} cores, ${cpu}, Node ${node}${peer}, load at the start ${load}`;
}
