// What has to be the same in all processes is compared before they begin; a difference is an error
// in all of them that names both processes and what differs.

import { UsageError } from '../base/errors.ts';
import { type Network, processNames } from './network.ts';

/** What has to be the same, by what errors call it, as text. */
export type Facts = Readonly<Record<string, string>>;

/** Compares the facts of all processes. `hints` are what to try where one differs. Throws the same
 * {@link UsageError} in all of them. */
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
      allowed: `${first![what]}, as ${names[0]} has it`,
      hint: hints[what] ?? 'the same command on all hosts',
    });
  }
}

/** How many workers the processes on this host have, of all processes' numbers. */
export function workersOnHost({ process, hosts }: Network, workers: readonly number[]): number {
  return workers
    .filter((_, other) => hosts[other] === hosts[process])
    .reduce((sum, count) => sum + count, 0);
}
