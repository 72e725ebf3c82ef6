// A delay, a silence and a death before every exchange of a run, in each of two and of three
// processes.

import { describe, expect, it } from 'vitest';
import { expectFault, SMALL } from '../support/processes/faults.ts';

const EXCHANGES = Array.from({ length: 14 }, (_, exchange) => exchange);

describe.each([{ workers: [1, 1] }, { workers: [1, 2, 1] }])(
  'of $workers workers',
  ({ workers }) => {
    it.each([...workers.keys()])('process %d may be late at any message', async (process) => {
      for (const exchange of EXCHANGES) {
        await expectFault(SMALL, workers, process, { kind: 'delay', exchange, delayMs: 20 });
      }
      expect.hasAssertions();
    });

    it.each([...workers.keys()])('process %d may die at any message', async (process) => {
      for (const exchange of EXCHANGES) {
        await expectFault(SMALL, workers, process, { kind: 'die', exchange });
      }
      expect.hasAssertions();
    });

    it.each([...workers.keys()])('process %d may stop sending at any message', async (process) => {
      for (const exchange of EXCHANGES) {
        await expectFault(SMALL, workers, process, { kind: 'drop', exchange });
      }
      expect.hasAssertions();
    });
  },
);
