// Frees memory at a moment that the command chooses. V8 collects garbage when much is allocated,
// but a main thread that only watches its workers does not allocate, so dropped data would stay.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects garbage once, immediately. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
}
