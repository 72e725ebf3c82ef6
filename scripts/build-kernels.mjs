// Compiles src/kernels/assembly. The layers' kernels become three WASM files with the same exports:
// plain SIMD128 (`strict`), relaxed SIMD with fused multiply-add (`fast`), and the same with tiles
// for engines that pack vectors in pairs (`wide`). The collectives' kernels become one file. All
// import their memory.
import { mkdirSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const LAYERS = 'src/kernels/assembly/index.ts';
const COLLECTIVES = 'src/kernels/assembly/collectives.ts';

const common = [
  '-O3',
  '--noAssert',
  '--runtime',
  'stub',
  '--importMemory',
  '--sharedMemory',
  '--initialMemory',
  '1',
  '--maximumMemory',
  '65536',
  '--use',
  'abort=',
  '--enable',
  'simd',
  '--enable',
  'threads',
];
const relaxed = ['--enable', 'relaxed-simd'];
const builds = [
  { file: 'dist/kernels/strict.wasm', entry: LAYERS, flags: ['--use', 'WIDE=0'] },
  { file: 'dist/kernels/fast.wasm', entry: LAYERS, flags: [...relaxed, '--use', 'WIDE=0'] },
  { file: 'dist/kernels/wide.wasm', entry: LAYERS, flags: [...relaxed, '--use', 'WIDE=1'] },
  { file: 'dist/kernels/collectives.wasm', entry: COLLECTIVES, flags: [] },
];

mkdirSync('dist/kernels', { recursive: true });
for (const { file, entry, flags } of builds) {
  const { error, stderr } = await asc.main([entry, ...common, ...flags, '--outFile', file]);
  if (error) {
    console.error(stderr.toString());
    process.exit(1);
  }
}
