import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createFixture } from '../support/kernelFixture.ts';
import { parseWasm } from './wasm.ts';

// Builds the binaries if they are older than their sources.
createFixture('strict', 1);
const strict = parseWasm(readFileSync('dist/kernels/strict.wasm'));
const fast = parseWasm(readFileSync('dist/kernels/fast.wasm'));
const wide = parseWasm(readFileSync('dist/kernels/wide.wasm'));
const collectives = parseWasm(readFileSync('dist/kernels/collectives.wasm'));

const SECTION_START = 8;
const SECTION_DATA = 11;
const SECTION_DATA_COUNT = 12;
const MEMORY_KIND = 2;
const SHARED_WITH_MAXIMUM = 3;
const FIRST_RELAXED_OPCODE = 256;
const RELAXED_MADD_F32X4 = 0x105;
const RELAXED_NMADD_F32X4 = 0x106;
const RELAXED_MADD_F64X2 = 0x107;

const COLLECTIVES_ABI = 'collectives.ts';
const LAYERS_ABI = readdirSync('src/kernels/abi').filter((file) => file !== COLLECTIVES_ABI);

/** The names of the functions that the interfaces in files of `abi` declare. */
function declaredNames(files: readonly string[]): string[] {
  return files.flatMap((file) => {
    const text = readFileSync(`src/kernels/abi/${file}`, 'utf8');
    return [...text.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1]!);
  });
}

describe.each([
  ['strict', strict, LAYERS_ABI],
  ['fast', fast, LAYERS_ABI],
  ['wide', wide, LAYERS_ABI],
  ['collective', collectives, [COLLECTIVES_ABI]],
] as const)('the %s kernels', (_name, binary, abi) => {
  it('have no data segments and no start function, so that instances share a memory', () => {
    expect(binary.sections).not.toContain(SECTION_DATA);
    expect(binary.sections).not.toContain(SECTION_DATA_COUNT);
    expect(binary.sections).not.toContain(SECTION_START);
  });

  it('import one shared memory and nothing else', () => {
    expect(binary.imports).toEqual([
      { module: 'env', name: 'memory', kind: MEMORY_KIND, limits: SHARED_WITH_MAXIMUM },
    ]);
  });

  it('export exactly the functions that the interfaces of abi declare', () => {
    expect(binary.functions.toSorted()).toEqual(declaredNames(abi).toSorted());
    expect(binary.others.filter((name) => name !== 'memory')).toEqual([]);
  });
});

describe('relaxed SIMD', () => {
  it.each([
    ['strict', strict],
    ['collective', collectives],
  ])('does not occur in the %s kernels', (_name, { vectorOpcodes }) => {
    expect([...vectorOpcodes].filter((opcode) => opcode >= FIRST_RELAXED_OPCODE)).toEqual([]);
    expect(vectorOpcodes.size).toBeGreaterThan(0);
  });

  it.each([
    ['fast', fast],
    ['wide', wide],
  ])('is the fused multiply-add in the %s kernels, and nothing else', (_name, binary) => {
    const relaxed = [...binary.vectorOpcodes].filter((opcode) => opcode >= FIRST_RELAXED_OPCODE);
    const fused = [RELAXED_MADD_F32X4, RELAXED_NMADD_F32X4, RELAXED_MADD_F64X2];
    expect(relaxed.toSorted()).toEqual(fused);
  });
});
