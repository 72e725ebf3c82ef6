import { defineConfig } from 'vitest/config';

/** Files that look at time, or whose threads want all cores: one of them runs at a time. */
const ALONE = [
  'test/cli/{hangup,simulate}.test.ts',
  'test/report/browser.test.ts',
  'test/runtime/{deaths,faults,hangs}.test.ts',
  'test/sync/{barrier,group,random}*.test.ts',
  'test/train/quiet.test.ts',
];

const shared = {
  setupFiles: ['test/support/equality.setup.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

/** Files that replace modules which others may have loaded before: each in a process of its own. The
 * others share processes, which saves half a second for each file. */
const ISOLATED = ['test/kernels/{builds,load}.test.ts'];

// Proofs at a larger size run by `npm run test:long`.
const LONG = 'test/**/*.long.test.ts';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [LONG, ...ALONE, ...ISOLATED],
          isolate: false,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: 'alone',
          include: [...ALONE, ...ISOLATED],
          exclude: [LONG],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
