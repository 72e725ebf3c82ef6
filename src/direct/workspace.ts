// Memory for kernels that are called on arbitrary arrays. Arrays in the group's memory are used in
// place. Others are copied into scratch memory, which is allocated from the group once and doubles
// when a call needs more.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';
import { instantiateKernels } from '../kernels/binaries.ts';
import type { KernelExports } from '../kernels/exports.ts';
import { compileKernels } from '../kernels/load.ts';
import type { Group } from '../sync/group.ts';

/** Vector loads may read past the end of a tensor by less than this. */
const SLACK_BYTES = 128;
const FIRST_BYTES = 65_536;
/** The tensors of backward: x, dy and dx. */
const TENSORS_OF_A_CALL = 3;
/** Coefficients, gradients and parameters of a batch normalization: at most 12 float64 values per
 * channel and 12 more, in 5 pieces. */
const VECTORS_OF_A_CALL = 5;
const VECTOR_BYTES = 64;

/** The buffers in which a group's ranks exchange vectors. */
export interface ExchangeBuffers {
  readonly own: Float64Array;
  /** The vectors of all ranks, contiguous. */
  readonly gathered: Float64Array;
}

/** One thread's kernels and scratch memory, for all its norms. */
export class Workspace {
  readonly memory: WebAssembly.Memory;
  readonly kernels: KernelExports;
  /** The whole memory. */
  readonly doubles: Float64Array;
  readonly floats: Float32Array;
  private readonly buffer: ArrayBufferLike;
  private readonly group: Group;
  private readonly exchanges = new Map<string, ExchangeBuffers>();
  private scratchPtr = 0;
  private scratchBytes = 0;
  private usedBytes = 0;

  /** Uses the strict kernels, which give the same bits on every machine. That costs nothing, since
   * norms are limited by memory, not by multiply-adds. */
  constructor(memory: WebAssembly.Memory, group: Group) {
    this.memory = memory;
    this.group = group;
    this.buffer = memory.buffer;
    this.doubles = new Float64Array(memory.buffer);
    this.floats = new Float32Array(memory.buffer);
    this.kernels = instantiateKernels(compileKernels('strict'), memory);
  }

  /** Begins a call on these tensors, and frees the memory of the previous call. */
  begin(...tensors: readonly Float32Array[]): void {
    this.usedBytes = 0;
    let longestBytes = 0;
    for (const tensor of tensors) {
      if (!this.has(tensor)) longestBytes = Math.max(longestBytes, tensor.byteLength);
    }
    const neededBytes = TENSORS_OF_A_CALL * scratchBytesOf(longestBytes);
    // Grows by more than needed, so that slowly growing batches do not allocate each time.
    if (neededBytes > this.scratchBytes) this.grow(Math.max(neededBytes, 2 * this.scratchBytes));
  }

  /** Allocates what a batch normalization needs if all its arrays are copied. */
  reserve(rows: number, channels: number): void {
    const tensorBytes = scratchBytesOf(rows * channels * FLOAT_BYTES);
    const vectorBytes = scratchBytesOf(channels * VECTOR_BYTES);
    const sizeBytes = TENSORS_OF_A_CALL * tensorBytes + VECTORS_OF_A_CALL * vectorBytes;
    if (sizeBytes > this.scratchBytes) this.grow(sizeBytes);
  }

  /** The address of `length` numbers, for this call. */
  takeDoubles(length: number): number {
    return this.take(length * DOUBLE_BYTES);
  }

  /** The address at which kernels read the array's values. */
  input(array: Float32Array): number {
    if (this.has(array)) return array.byteOffset;
    const ptr = this.take(array.byteLength);
    this.floats.set(array, ptr / FLOAT_BYTES);
    return ptr;
  }

  /** The address at which kernels write the array's values; {@link deliver} copies them to the
   * array. */
  output(array: Float32Array): number {
    return this.has(array) ? array.byteOffset : this.take(array.byteLength);
  }

  deliver(array: Float32Array, ptr: number): void {
    if (this.has(array)) return;
    const from = ptr / FLOAT_BYTES;
    array.set(this.floats.subarray(from, from + array.length));
  }

  /** Copies numbers out of the memory. */
  copyDoubles(ptr: number, length: number): Float64Array {
    const from = ptr / DOUBLE_BYTES;
    return this.doubles.slice(from, from + length);
  }

  /** Allocates an array that is never freed. */
  allocateDoubles(length: number): Float64Array {
    return this.group.allocate('float64', length + SLACK_BYTES / DOUBLE_BYTES).subarray(0, length);
  }

  /** Buffers for an exchange of vectors. All norms share them, since a call no longer needs them
   * when it returns. */
  exchangeBuffers(worldSize: number, length: number): ExchangeBuffers {
    const key = `${worldSize} of ${length}`;
    const known = this.exchanges.get(key);
    if (known !== undefined) return known;
    const own = this.allocateDoubles(length);
    const made = { own, gathered: this.allocateDoubles(worldSize * length) };
    this.exchanges.set(key, made);
    return made;
  }

  /** Whether kernels can use an array in place. */
  private has({ buffer, byteOffset, byteLength }: Float32Array): boolean {
    return (
      buffer === this.buffer && byteOffset + byteLength + SLACK_BYTES <= this.buffer.byteLength
    );
  }

  private take(sizeBytes: number): number {
    const neededBytes = scratchBytesOf(sizeBytes);
    // Memory that this call already uses stays in place, since the group never frees memory.
    if (this.usedBytes + neededBytes > this.scratchBytes) {
      this.grow(Math.max(FIRST_BYTES, 2 * this.scratchBytes, neededBytes));
    }
    const ptr = this.scratchPtr + this.usedBytes;
    this.usedBytes += neededBytes;
    return ptr;
  }

  private grow(sizeBytes: number): void {
    const scratch = this.group.allocate('uint8', sizeBytes);
    this.scratchPtr = scratch.byteOffset;
    this.scratchBytes = sizeBytes;
    this.usedBytes = 0;
  }
}

/** The scratch memory that an array needs. */
function scratchBytesOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / SLACK_BYTES) * SLACK_BYTES + SLACK_BYTES;
}
