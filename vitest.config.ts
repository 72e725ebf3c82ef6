import { defineConfig } from 'vitest/config';

/** Files that look at time, or whose threads want all cores: one of them runs at a time. */
const ALONE = [
  'test/campaign/**/*.test.ts',
  'test/cli/hangup.test.ts',
  'test/report/browser.test.ts',
  'test/runtime/{deaths,faults,hangs}.test.ts',
  'test/sync/{barrier,group,random}*.test.ts',
  'test/train/quiet.test.ts',
];

const shared = {
  setupFiles: ['test/equality.setup.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

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
          exclude: [LONG, ...ALONE],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: 'alone',
          include: ALONE,
          exclude: [LONG],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
