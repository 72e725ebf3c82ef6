// Compares what must be the same in all processes before they begin. A difference is an error in
// every process that names both processes and what differs.

import { UsageError } from '../base/errors.ts';
import { type Network, processNames } from './network.ts';

/** What must be the same, as text, keyed by the name that errors use. */
export type Facts = Readonly<Record<string, string>>;

/** Compares the facts of all processes. `hints` say what to try when one differs. Throws the same
 * {@link UsageError} in all processes. */
export function checkAlike(
  network: Pick<Network, 'hosts'>,
  all: readonly Facts[],
  hints: Facts = {},
): void {
  const names = processNames(network);
  const [first, ...others] = all;
  for (const what of Object.keys(first!)) {
    const differing = others.findIndex((facts) => facts[what] !== first![what]);
    if (differing < 0) continue;
    const theirs = others[differing]![what] ?? 'none';
    throw new UsageError({
      what: `${what} of ${names[differing + 1]}`,
      given: theirs,
      allowed: `${first![what]}, as on ${names[0]}`,
      hint: hints[what] ?? 'the same command on all hosts',
    });
  }
}

/** The worker counts of the processes on this host, selected from those of all processes. */
export function workersOnHost({ process, hosts }: Network, workers: readonly number[]): number {
  return workers
    .filter((_, other) => hosts[other] === hosts[process])
    .reduce((sum, count) => sum + count, 0);
}
