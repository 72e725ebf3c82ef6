// Gives memory back at a moment that the command knows: V8 collects when much is allocated, which a
// main thread that only watches its workers never does, so that dropped data would stay.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects garbage now, once. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
}
