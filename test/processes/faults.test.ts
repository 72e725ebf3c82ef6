// How processes handle one that is late, silent or dead: all of them end, with the bits of an
// undisturbed run or an error that names the process. At every message: `npm run test:long`.

import { describe, it } from 'vitest';
import { expectFault, SMALL } from '../support/processes/faults.ts';

describe('one of three processes that', () => {
  it.each([0, 3, 7])('is late before exchange %d changes nothing', async (exchange) => {
    await expectFault(SMALL, [1, 2, 1], 1, { kind: 'delay', exchange, delayMs: 60 });
  });

  it.each([0, 4])('sends nothing from exchange %d on is named by the others', async (exchange) => {
    await expectFault(SMALL, [1, 1, 2], 2, { kind: 'drop', exchange });
  });

  it.each([0, 5])('dies before exchange %d is named by the others', async (exchange) => {
    await expectFault(SMALL, [2, 1, 1], 0, { kind: 'die', exchange });
  });
});
