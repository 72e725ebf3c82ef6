// Reads WebAssembly binaries as far as the kernel tests need: sections, imports, exports, and every
// instruction of every function. https://webassembly.github.io/spec/core/binary, with SIMD and
// threads.

interface WasmImport {
  readonly module: string;
  readonly name: string;
  /** 0 function, 1 table, 2 memory, 3 global. */
  readonly kind: number;
  /** Of a memory: bit 0 has a maximum, bit 1 shared. */
  readonly limits: number;
}

export interface WasmBinary {
  /** Ids of the existing sections. */
  readonly sections: readonly number[];
  readonly imports: readonly WasmImport[];
  /** Names of exported functions. */
  readonly functions: readonly string[];
  /** Names of everything else that is exported. */
  readonly others: readonly string[];
  /** The vector instructions (prefix 0xfd) that occur. */
  readonly vectorOpcodes: ReadonlySet<number>;
}

const SECTION = { import: 2, export: 7, code: 10 } as const;
const KIND_FUNCTION = 0;
const KIND_MEMORY = 2;

/** Parses a module. Throws for anything that kernels do not contain, and if the last instruction
 * does not end where its function does. */
export function parseWasm(bytes: Uint8Array): WasmBinary {
  const reader = new Reader(bytes, 8);
  const sections: number[] = [];
  const imports: WasmImport[] = [];
  const functions: string[] = [];
  const others: string[] = [];
  const vectorOpcodes = new Set<number>();
  while (reader.at < bytes.length) {
    const id = reader.byte();
    const end = reader.unsigned() + reader.at;
    sections.push(id);
    if (id === SECTION.import) readImports(reader, imports);
    else if (id === SECTION.export) {
      for (let count = reader.unsigned(); count > 0; count--) {
        const name = reader.text();
        (reader.byte() === KIND_FUNCTION ? functions : others).push(name);
        reader.unsigned();
      }
    } else if (id === SECTION.code) {
      for (let count = reader.unsigned(); count > 0; count--) readFunction(reader, vectorOpcodes);
    } else reader.at = end;
    if (reader.at !== end) throw new Error(`section ${id} ends at ${reader.at}, not at ${end}`);
  }
  return { sections, imports, functions, others, vectorOpcodes };
}

function readImports(reader: Reader, imports: WasmImport[]): void {
  for (let count = reader.unsigned(); count > 0; count--) {
    const [module, name, kind] = [reader.text(), reader.text(), reader.byte()];
    if (kind !== KIND_MEMORY) {
      imports.push({ module, name, kind, limits: 0 });
      reader.unsigned();
      continue;
    }
    const limits = reader.byte();
    imports.push({ module, name, kind, limits });
    reader.unsigned();
    if ((limits & 1) === 1) reader.unsigned();
  }
}

function readFunction(reader: Reader, vectorOpcodes: Set<number>): void {
  const end = reader.unsigned() + reader.at;
  for (let count = reader.unsigned(); count > 0; count--) {
    reader.unsigned();
    reader.byte();
  }
  while (reader.at < end) readInstruction(reader, vectorOpcodes);
  if (reader.at !== end) throw new Error(`a function ends at ${reader.at}, not at ${end}`);
}

function readInstruction(reader: Reader, vectorOpcodes: Set<number>): void {
  const opcode = reader.byte();
  if (opcode === 0xfd) {
    const vectorOpcode = reader.unsigned();
    vectorOpcodes.add(vectorOpcode);
    skipVectorImmediates(reader, vectorOpcode);
  } else if (opcode === 0xfc) skipBulkImmediates(reader, reader.unsigned());
  else if (opcode >= 0x02 && opcode <= 0x04) reader.unsigned();
  else if (opcode === 0x0c || opcode === 0x0d || opcode === 0x10) reader.unsigned();
  else if (opcode === 0x0e) {
    for (let count = reader.unsigned(); count >= 0; count--) reader.unsigned();
  } else if (opcode >= 0x20 && opcode <= 0x24) reader.unsigned();
  else if (opcode >= 0x28 && opcode <= 0x3e) skipMemoryImmediates(reader);
  else if (opcode === 0x3f || opcode === 0x40) reader.byte();
  else if (opcode === 0x41 || opcode === 0x42) reader.unsigned();
  else if (opcode === 0x43) reader.at += 4;
  else if (opcode === 0x44) reader.at += 8;
  else {
    const isPlain = opcode <= 0x01 || opcode === 0x05 || opcode === 0x0b || opcode === 0x0f;
    const isNumeric = opcode >= 0x45 && opcode <= 0xc4;
    if (!isPlain && !isNumeric && opcode !== 0x1a && opcode !== 0x1b) {
      throw new Error(`opcode 0x${opcode.toString(16)} at ${reader.at - 1}`);
    }
  }
}

function skipMemoryImmediates(reader: Reader): void {
  reader.unsigned();
  reader.unsigned();
}

/** Saturating conversions have none, memory.copy two memory indices, memory.fill one. */
function skipBulkImmediates(reader: Reader, opcode: number): void {
  if (opcode === 10) reader.at += 2;
  else if (opcode === 11) reader.at += 1;
  else if (opcode > 7) throw new Error(`opcode 0xfc ${opcode} at ${reader.at}`);
}

/** Loads and stores, constants and shuffles (16 bytes), lanes (1 byte); the others have none. */
function skipVectorImmediates(reader: Reader, opcode: number): void {
  if (opcode <= 11 || opcode === 92 || opcode === 93) skipMemoryImmediates(reader);
  else if (opcode === 12 || opcode === 13) reader.at += 16;
  else if (opcode >= 21 && opcode <= 34) reader.at += 1;
  else if (opcode >= 84 && opcode <= 91) {
    skipMemoryImmediates(reader);
    reader.at += 1;
  }
}

class Reader {
  private readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new Error(`the module ends at ${this.at - 1}`);
    return value;
  }

  /** LEB128; of signed numbers it only finds the end, since no test needs their values. */
  unsigned(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  text(): string {
    const length = this.unsigned();
    this.at += length;
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at));
  }
}
