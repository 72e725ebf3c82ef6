// What "at once" means to a test: long before a wait would give up. A tighter bound would only
// measure how busy the machine is.

import { DEFAULT_TIMEOUT_MS } from '../../src/sync/words.ts';

export const AT_ONCE_MS = DEFAULT_TIMEOUT_MS / 10;
