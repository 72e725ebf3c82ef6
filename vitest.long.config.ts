import { defineConfig } from 'vitest/config';

// Proofs that `npm test` runs at a smaller size.
export default defineConfig({
  test: {
    include: ['test/**/*.long.test.ts'],
    fileParallelism: false,
    setupFiles: ['test/support/equality.setup.ts'],
    testTimeout: 300_000,
    hookTimeout: 60_000,
  },
});
