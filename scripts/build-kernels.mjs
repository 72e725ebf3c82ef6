// Compiles src/kernels/assembly into two WASM files with the same exports: plain SIMD128 (`strict`)
// and relaxed SIMD with fused multiply-add (`fast`). Both import the arena as their memory.
import { mkdirSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const common = [
  'src/kernels/assembly/index.ts',
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
const builds = [
  { file: 'dist/kernels/strict.wasm', flags: [] },
  { file: 'dist/kernels/fast.wasm', flags: ['--enable', 'relaxed-simd'] },
];

mkdirSync('dist/kernels', { recursive: true });
for (const { file, flags } of builds) {
  const { error, stderr } = await asc.main([...common, ...flags, '--outFile', file]);
  if (error) {
    console.error(stderr.toString());
    process.exit(1);
  }
}
