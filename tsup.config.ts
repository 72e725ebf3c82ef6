import { copyFile, mkdir } from 'node:fs/promises';
import { defineConfig, type Options } from 'tsup';

/** Packages that become part of the bundle, so that a program loads of them what it uses, and not a
 * file at a time. They are development dependencies; their licenses go with the bundle. */
const BUILT_IN = ['@msgpack/msgpack', 'cac', 'zod'];

async function copyLicenses(): Promise<void> {
  await mkdir('dist/licenses', { recursive: true });
  for (const name of BUILT_IN) {
    await copyFile(`node_modules/${name}/LICENSE`, `dist/licenses/${name.replace('/', '-')}.txt`);
  }
}

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
      cli: 'src/cli/entry/start.ts',
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
    noExternal: BUILT_IN,
    onSuccess: copyLicenses,
  },
  // Needs little of what the others share, and would cut that into more files.
  { ...shared, entry: { 'workers/read': 'workers/read.ts' }, format: 'esm', splitting: false },
  { ...shared, entry: { 'workers/thread': 'workers/thread.cts' }, format: 'cjs' },
]);
