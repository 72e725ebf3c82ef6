// Patterns of names: `*` stands for any number of any characters, including dots; all other
// characters stand for themselves. `0.*` matches all tensors of layer 0, `*.bias` all biases.

import { UsageError } from './errors.ts';
import { nearestWord } from './nearest.ts';

/** The maximum number of names that an error lists. */
const SHOWN_NAMES = 12;

/** Returns a function that tests whether a name matches a pattern. */
export function patternTest(pattern: string): (name: string) => boolean {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  const test = new RegExp(`^${escaped}$`, 's');
  return (name) => test.test(name);
}

/** The test of a pattern that must match at least one of the names. In errors, `what` is the
 * option, and `noun` is what the names belong to: `parameters`. */
export function checkedPattern(
  what: string,
  pattern: string,
  names: readonly string[],
  noun: string,
): (name: string) => boolean {
  const test = patternTest(pattern);
  if (names.some(test)) return test;
  const rest = names.length - SHOWN_NAMES;
  const more = rest > 0 ? ` and ${rest} more` : '';
  const listed = names.slice(0, SHOWN_NAMES).join(', ') || 'none';
  const nearest = nearestWord(pattern, names);
  throw new UsageError({
    what,
    problem: `'${pattern}' matches none of the ${noun}: ${listed}${more}`,
    ...(nearest !== undefined && { hint: `'${nearest}'` }),
  });
}
