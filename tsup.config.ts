import { defineConfig, type Options } from 'tsup';

const shared: Options = {
  target: 'node20',
  sourcemap: true,
  // `npm run build` empties the folder before it builds the kernels into it.
  clean: false,
};

export default defineConfig([
  {
    ...shared,
    entry: {
      index: 'src/index.ts',
      collectives: 'src/collectives.ts',
      cli: 'src/cli/entry/main.ts',
      'workers/train': 'workers/train.ts',
      'workers/launch': 'workers/launch.ts',
      'workers/mpi': 'workers/mpi.ts',
      'workers/simulate': 'workers/simulate.ts',
      'workers/peers': 'workers/peers.ts',
    },
    format: 'esm',
    dts: {
      entry: { index: 'src/index.ts', collectives: 'src/collectives.ts' },
      compilerOptions: { allowImportingTsExtensions: true },
    },
    splitting: true,
  },
  { ...shared, entry: { 'workers/thread': 'workers/thread.cts' }, format: 'cjs' },
]);
