import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    collectives: 'src/collectives.ts',
    cli: 'src/cli/main.ts',
    'workers/train': 'workers/train.ts',
    'workers/launch': 'workers/launch.ts',
    'workers/simulate': 'workers/simulate.ts',
  },
  format: 'esm',
  target: 'node20',
  dts: {
    entry: { index: 'src/index.ts', collectives: 'src/collectives.ts' },
    compilerOptions: { allowImportingTsExtensions: true },
  },
  splitting: true,
  sourcemap: true,
  // `npm run build` empties the folder before it builds the kernels into it.
  clean: false,
});
