import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createFixture } from './fixture.ts';
import { parseWasm } from './wasm.ts';

// Builds the binaries when they are older than their sources.
createFixture('strict', 1);
const strict = parseWasm(readFileSync('dist/kernels/strict.wasm'));
const fast = parseWasm(readFileSync('dist/kernels/fast.wasm'));

const SECTION_START = 8;
const SECTION_DATA = 11;
const SECTION_DATA_COUNT = 12;
const MEMORY_KIND = 2;
const SHARED_WITH_MAXIMUM = 3;
const FIRST_RELAXED_OPCODE = 256;
const RELAXED_MADD_F32X4 = 0x105;

/** The names of the functions that the interfaces of `abi` declare. */
function declaredNames(): string[] {
  const folder = 'src/kernels/abi';
  return readdirSync(folder).flatMap((file) => {
    const text = readFileSync(`${folder}/${file}`, 'utf8');
    return [...text.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1]!);
  });
}

describe.each([
  ['strict', strict],
  ['fast', fast],
] as const)('the %s kernels', (_name, binary) => {
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
    expect(binary.functions.toSorted()).toEqual(declaredNames().toSorted());
    expect(binary.others.filter((name) => name !== 'memory')).toEqual([]);
  });
});

describe('relaxed SIMD', () => {
  it('does not occur in the strict kernels', () => {
    expect([...strict.vectorOpcodes].filter((opcode) => opcode >= FIRST_RELAXED_OPCODE)).toEqual(
      [],
    );
    expect(strict.vectorOpcodes.size).toBeGreaterThan(0);
  });

  it('is the fused multiply-add in the fast kernels, and nothing else', () => {
    expect([...fast.vectorOpcodes].filter((opcode) => opcode >= FIRST_RELAXED_OPCODE)).toEqual([
      RELAXED_MADD_F32X4,
    ]);
  });
});
