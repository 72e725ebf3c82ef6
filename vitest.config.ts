import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Proofs at a larger size run by `npm run test:long`.
    exclude: ['test/**/*.long.test.ts'],
    // Gangs of threads on two cores only wait for each other, so one file runs at a time.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
