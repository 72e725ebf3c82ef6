// Compiles AssemblyScript that is only for benchmarks, not part of the library's kernels.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasRelaxedSimd } from '../src/kernels/engine.ts';

const COMPILER = 'assemblyscript/bin/asc.js';
const SOURCE_FILE = 'bench.ts';
const BINARY_FILE = 'bench.wasm';
const FLAGS = ['-O3', '--noAssert', '--runtime', 'stub', '--use', 'abort='];
const MEMORY = ['--importMemory', '--sharedMemory', '--initialMemory', '1'];
const ENGINE = ['--maximumMemory', '65536', '--enable', 'simd', '--enable', 'threads'];

/** A module that imports its shared memory, with relaxed SIMD if the engine supports it. Compiled
 * in a separate process, because loading the compiler takes seconds. */
export function assemble(source: string): WebAssembly.Module {
  const folder = mkdtempSync(join(tmpdir(), 'syncbn-bench-'));
  try {
    writeFileSync(join(folder, SOURCE_FILE), source);
    const compiler = createRequire(import.meta.url).resolve(COMPILER);
    const relaxed = hasRelaxedSimd() ? ['--enable', 'relaxed-simd'] : [];
    const files = [SOURCE_FILE, '--outFile', BINARY_FILE];
    execFileSync(
      process.execPath,
      [compiler, ...files, ...FLAGS, ...MEMORY, ...ENGINE, ...relaxed],
      { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    return new WebAssembly.Module(readFileSync(join(folder, BINARY_FILE)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
