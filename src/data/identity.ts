// Identifies a run's data, as plain data for checkpoints. Data is the same if its content is: all
// values of both splits, their shapes, the task and the statistics. Names are only for display.

import { assertSame } from '../base/errors.ts';
import { fnv1a } from '../base/fnv.ts';
import { type Shape, showShape, sizeOf } from '../base/shape.ts';
import { isChunked, type TrainingData } from './chunked/chunkedDataset.ts';
import type { InputType, Split } from './dataset.ts';
import { type Task, targetSize } from './task.ts';
import { weightedSplits } from './weighted.ts';

/** Plain data that distinguishes datasets; stored in checkpoints. */
export interface DatasetDescription {
  /** A name or the last part of a folder, never a whole path. Not compared. */
  readonly name: string;
  /** Shape of a sample, channels last. */
  readonly inputShape: readonly number[];
  /** The type of the inputs. */
  readonly inputType: InputType;
  /** What is learned. */
  readonly task: Task;
  /** What was subtracted from each channel in float64; absent for nothing. */
  readonly shift?: readonly number[];
  /** Mean of each channel, over the training samples, after the shift. */
  readonly mean: readonly number[];
  /** The standard deviation of each channel. */
  readonly std: readonly number[];
  /** Training samples. */
  readonly countTrain: number;
  /** Test samples. */
  readonly countTest: number;
  /** The splits whose samples have weights; absent if none has. */
  readonly weighted?: readonly ('train' | 'test')[];
  /** FNV-1a over the bytes of the first training sample and its target: the only hash in
   * checkpoints without a {@link contentHash}. */
  readonly checksum: number;
  /** 128 bits over all fields here except the name, and over all values of both splits. */
  readonly contentHash?: string;
}

const WORD_BYTES = 4;
/** Size of the words that are hashed together. */
export const PART_BYTES = 16;

/** The description of data that a checkpoint keeps, to compare it with a later run's data. Reads
 * every value: about 30 ms for the 55 MB of MNIST. */
export function describeDataset(dataset: TrainingData): DatasetDescription & {
  readonly contentHash: string;
} {
  const { name, inputShape, task } = dataset;
  const fields = fieldsOf(dataset);
  const hash = new ContentHash(dataset);
  // Chunked samples are not read for this, so there is no first one to compare.
  if (isChunked(dataset)) {
    return { name, ...fields, checksum: 0, contentHash: dataset.contentHash ?? hash.hex() };
  }
  for (const { inputs, targets, weights, domains } of [dataset.train, dataset.test]) {
    hash.add(inputs);
    hash.add(targets);
    if (weights !== undefined) hash.add(weights);
    if (domains !== undefined) hash.add(domains);
  }
  const checksum = checksumOf(dataset.train, sizeOf(inputShape), targetSize(task));
  return { name, ...fields, checksum, contentHash: hash.hex() };
}

function fieldsOf(data: TrainingData): Omit<DatasetDescription, 'name' | 'checksum'> {
  const { inputShape, inputType, task, shift, mean, std, train, test } = data;
  return {
    inputShape: [...inputShape],
    inputType,
    task: copyTask(task),
    ...(shift !== undefined && { shift: [...shift] }),
    mean: [...mean],
    std: [...std],
    countTrain: train.count,
    countTest: test.count,
    ...weightedSplits(data),
  };
}

/** How data differs from a checkpoint's, for a message; undefined if it is the same. Without a
 * stored hash, all stored fields except the name are compared. */
export function dataDifference(
  given: DatasetDescription,
  saved: DatasetDescription,
): { readonly given: string; readonly saved: string } | undefined {
  const isSame =
    saved.contentHash === undefined
      ? comparable(given) === comparable(saved)
      : given.contentHash === saved.contentHash;
  if (isSame) return undefined;
  for (const show of [showCounts, showSample, showTask, showStatistics]) {
    if (show(given) === show(saved)) continue;
    return { given: `${given.name}, ${show(given)}`, saved: `${saved.name}, ${show(saved)}` };
  }
  const content = ({ name }: DatasetDescription): string => `the content of ${name}`;
  return {
    given: `${content(given)}, which was changed or is other data of the same shapes`,
    saved: `the original content of ${saved.name}`,
  };
}

function copyTask(task: Task): Task {
  if (task.kind === 'classification') return { kind: task.kind, classes: task.classes };
  if (task.kind === 'segmentation') {
    return { kind: task.kind, classes: task.classes, targetShape: [...task.targetShape] };
  }
  const { kind, targetShape, mean, std } = task;
  const isStandard = mean !== undefined && std !== undefined;
  return {
    kind,
    targetShape: [...targetShape],
    ...(isStandard && { mean: [...mean], std: [...std] }),
  };
}

function comparable(data: DatasetDescription): string {
  const { inputShape, inputType, task, shift, mean, std, countTrain, countTest, checksum } = data;
  return JSON.stringify([
    [inputShape, inputType, copyTask(task), shift],
    [mean, std, countTrain, countTest, checksum],
  ]);
}

function showCounts({ countTrain, countTest, weighted }: DatasetDescription): string {
  const withWeights = weighted === undefined ? '' : `, weights for those of ${weighted.join(', ')}`;
  return `${countTrain} training and ${countTest} test samples${withWeights}`;
}

function showSample({ inputShape, inputType }: DatasetDescription): string {
  return `samples ${showShape(inputShape as Shape)} of type ${inputType}`;
}

function showTask({ task }: DatasetDescription): string {
  if (task.kind === 'classification') return `classification into ${task.classes} classes`;
  const shape = showShape(task.targetShape);
  return task.kind === 'segmentation'
    ? `masks ${shape} of ${task.classes} classes`
    : `regression of ${shape}, ${showUnits(task.mean, task.std)}`;
}

function showUnits(mean: readonly number[] | undefined, std: readonly number[] = []): string {
  if (mean === undefined) return 'targets unchanged';
  return `targets standardized by mean ${mean.join(', ')} and std ${std.join(', ')}`;
}

function showStatistics({ shift, mean, std }: DatasetDescription): string {
  const shown = `mean ${mean.join(', ')} and std ${std.join(', ')}`;
  return shift === undefined ? shown : `${shown} after a shift of ${shift.join(', ')}`;
}

/** The first sample's bytes, then those of its target. */
function checksumOf({ inputs, targets }: Split, inputLength: number, targetLength: number): number {
  const bytesOf = (part: Split['inputs'] | Split['targets']): Uint8Array =>
    new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
  const hash = fnv1a(bytesOf(inputs.subarray(0, inputLength)));
  return fnv1a(bytesOf(targets.subarray(0, targetLength)), hash) >>> 0;
}

/** Four lanes of multiply, xor and shift over the words of the content, three times as fast as
 * SHA-1. It detects changes, but does not protect against forgery. Multipliers and final mix are
 * those of MurmurHash3 and xxHash32. */
export class ContentHash {
  private readonly lanes = new Int32Array([1, 2, 3, 4]);
  /** The state of the current array: its bytes so far, and those that do not fill a word yet. */
  private bytes = 0;
  private rest = new Uint8Array(WORD_BYTES);

  /** Starts with all fields of the data except its name and samples. */
  constructor(data: TrainingData) {
    this.add(Buffer.from(JSON.stringify(fieldsOf(data))));
  }

  /** Adds values, and their byte count. */
  add(values: Uint8Array | Int32Array | Float32Array): void {
    this.addPart(values);
    this.endParts();
  }

  /** Adds a part of an array. All but the last must have a multiple of {@link PART_BYTES}. */
  addPart(values: Uint8Array | Int32Array | Float32Array): void {
    const { buffer, byteOffset, byteLength } = values;
    assertSame('bytes of the parts before', this.bytes % PART_BYTES, 0);
    const isAligned = byteOffset % WORD_BYTES === 0;
    const whole = isAligned ? new Uint8Array(buffer, byteOffset, byteLength) : bytesOf(values);
    const countWords = Math.floor(byteLength / WORD_BYTES);
    const words = new Int32Array(whole.buffer, whole.byteOffset, countWords);
    this.addWords(words);
    this.rest.set(whole.subarray(countWords * WORD_BYTES));
    this.bytes += byteLength;
  }

  /** Ends an array. */
  endParts(): void {
    const [word = 0] = new Int32Array(this.rest.buffer);
    this.addWords(new Int32Array([word, this.bytes | 0]));
    this.rest.fill(0);
    this.bytes = 0;
  }

  hex(): string {
    const { lanes } = this;
    // Two rounds, so that each lane depends on all.
    for (let i = 0; i < 2 * lanes.length; i++) {
      const at = i % lanes.length;
      lanes[at] = finalMix(lanes[at]! ^ lanes[(at + lanes.length - 1) % lanes.length]!);
    }
    return Array.from(lanes, (lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
  }

  private addWords(words: Int32Array): void {
    let [a = 0, b = 0, c = 0, d = 0] = this.lanes;
    const fours = words.length - (words.length % 4);
    for (let i = 0; i < fours; i += 4) {
      a = Math.imul(a ^ words[i]!, 0x9e3779b1);
      a ^= a >>> 15;
      b = Math.imul(b ^ words[i + 1]!, 0x85ebca77);
      b ^= b >>> 13;
      c = Math.imul(c ^ words[i + 2]!, 0xc2b2ae3d);
      c ^= c >>> 16;
      d = Math.imul(d ^ words[i + 3]!, 0x27d4eb2f);
      d ^= d >>> 14;
    }
    for (let i = fours; i < words.length; i++) {
      a = Math.imul(a ^ words[i]!, 0x9e3779b1);
      a ^= a >>> 15;
    }
    this.lanes.set([a, b, c, d]);
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}

function finalMix(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
