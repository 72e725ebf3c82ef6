import { defineConfig } from 'vitest/config';

/** Files that look at time, or whose threads want all cores: one of them runs at a time. */
const ALONE = [
  'test/bench/**/*.test.ts',
  'test/campaign/**/*.test.ts',
  'test/cli/{hangup,life,simulate}.test.ts',
  'test/direct/**/*.test.ts',
  'test/report/{browser,liveServer}.test.ts',
  'test/runtime/{beyond,deaths,faults,gang,hangs,launch,predict,process,unloadable}.test.ts',
  'test/simulate/**/*.test.ts',
  'test/sync/*.test.ts',
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
