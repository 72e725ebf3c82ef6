// Inputs and targets as arrays, from files or from a program, before they are converted to a run's
// form: what they mean, and the dataset of two parts of them.

import { UsageError } from '../base/errors.ts';
import { showShape, sizeOf } from '../base/shape.ts';
import { listed } from '../base/show.ts';
import { checkDataset } from './checkDataset.ts';
import type { Dataset, Split } from './dataset.ts';
import { drawHeldOut } from './heldOut.ts';
import { rows } from './rows.ts';
import { shiftFor, subtractShift } from './shift.ts';
import { byteStatistics, floatStatistics } from './statistics.ts';
import { oneHotClasses, standardTargets } from './targets.ts';
import type { Task } from './task.ts';

/** The samples of one split, before they are converted to a run's form. */
export interface Part {
  readonly count: number;
  readonly inputShape: readonly number[];
  /** Shape of one target; [1] for class indexes, too, and [H, W] for masks. */
  readonly targetShape: readonly number[];
  readonly inputs: Uint8Array | Float32Array | Float64Array;
  readonly targets: Int32Array | Float32Array | Float64Array;
}

/** The dataset of two parts with the same form, with the statistics of the first. */
export function datasetOf(
  name: string,
  train: Part,
  test: Part,
  isStandardizing: boolean,
): Dataset {
  const { inputShape } = train;
  const inputs = inputsOf(train, test);
  const targets = targetsOf(train, test, isStandardizing);
  const notices = [...inputs.notices, ...targets.notices];
  return checkDataset({
    name,
    inputShape,
    task: targets.task,
    ...inputs.fields,
    ...(notices.length > 0 && { notices }),
    train: { count: train.count, inputs: inputs.train, targets: targets.train },
    test: { count: test.count, inputs: inputs.test, targets: targets.test },
  });
}

function kindOf(values: Part['inputs'] | Part['targets']): 'integers' | 'floats' {
  return values instanceof Uint8Array || values instanceof Int32Array ? 'integers' : 'floats';
}

/** The inputs of both splits in a run's form, and their metadata. */
function inputsOf(
  train: Part,
  test: Part,
): {
  readonly train: Split['inputs'];
  readonly test: Split['inputs'];
  readonly fields: Pick<Dataset, 'inputType' | 'shift' | 'mean' | 'std'>;
  readonly notices: readonly string[];
} {
  const channels = train.inputShape.at(-1)!;
  if (train.inputs instanceof Uint8Array) {
    const fields = { inputType: 'u8', ...byteStatistics(train.inputs, channels) } as const;
    return { train: train.inputs, test: test.inputs as Uint8Array, fields, notices: [] };
  }
  const isWide = train.inputs instanceof Float64Array;
  const shift = isWide ? shiftFor(train.inputs, channels) : undefined;
  const store = ({ inputs }: Part): Float32Array => {
    if (shift !== undefined) return subtractShift(inputs as Float32Array | Float64Array, shift);
    return inputs instanceof Float32Array ? inputs : Float32Array.from(inputs);
  };
  const inputs = store(train);
  const fields = {
    inputType: 'f32',
    ...(shift !== undefined && { shift }),
    ...floatStatistics(inputs, channels),
  } as const;
  return { train: inputs, test: store(test), fields, notices: shiftNotices(shift) };
}

function shiftNotices(shift: readonly number[] | undefined): readonly string[] {
  if (shift === undefined) return [];
  const shown = shift.flatMap((value, c) => (value === 0 ? [] : [`${c} (by ${value})`]));
  return [
    `Inputs have values whose digits float32 cannot hold; their columns are shifted towards 0 ` +
      `before they are rounded: ${listed(shown)}. predict takes such inputs as a Float64Array.`,
  ];
}

/** The targets of both splits in a run's form, and the task. */
function targetsOf(
  train: Part,
  test: Part,
  isStandardizing: boolean,
): {
  readonly train: Split['targets'];
  readonly test: Split['targets'];
  readonly task: Task;
  readonly notices: readonly string[];
} {
  const { targets, targetShape } = train;
  const tested = test.targets;
  const size = targetShape[0]!;
  const isLabel = targetShape.length === 1 && size === 1;
  if ((targets instanceof Int32Array || tested instanceof Int32Array) && isLabel) {
    const both = { train: targets as Int32Array, test: tested as Int32Array };
    const classes = 1 + Math.max(largest(both.train), largest(both.test));
    return { ...both, task: { kind: 'classification', classes }, notices: [] };
  }
  if (targets instanceof Int32Array && tested instanceof Int32Array && targetShape.length > 1) {
    const classes = 1 + Math.max(largest(targets), largest(tested));
    const masks = { kind: 'segmentation', classes, targetShape } as const;
    return { train: targets, test: tested, task: masks, notices: [] };
  }
  const task = { kind: 'regression', targetShape } as const;
  const asTheyAre = () => {
    const [kept, keptTest] = [Float32Array.from(targets), Float32Array.from(tested)];
    return { train: kept, test: keptTest, task, notices: [] };
  };
  if (!isStandardizing) return asTheyAre();
  const hot = oneHotClasses(targets, size);
  const hotTest = oneHotClasses(tested, size);
  if (hot !== undefined && hotTest !== undefined) {
    const notice =
      `Each target is one-hot, a single 1 among ${size} values, and is taken as one of ` +
      `${size} classes (standardizeTargets: false keeps the numbers).`;
    const classification = { kind: 'classification', classes: size } as const;
    return { train: hot, test: hotTest, task: classification, notices: [notice] };
  }
  if (targets instanceof Int32Array || tested instanceof Int32Array) return asTheyAre();
  const { mean, std, ...standard } = standardTargets(targets, tested, size);
  return { ...standard, task: { ...task, mean, std }, notices: [] };
}

/** How errors name the inputs or targets of both splits. */
interface PartNames {
  readonly train: string;
  readonly test: string;
  readonly where: string;
}

/** Throws a {@link UsageError} unless both parts have the same shapes and number types. */
export function checkAlike(
  train: Part,
  test: Part,
  names: { readonly inputs: PartNames; readonly targets: PartNames },
): void {
  const { inputs, targets } = names;
  checkSame(`sample shape of ${inputs.test}${inputs.where}`, test.inputShape, train.inputShape);
  checkSame(`target shape of ${targets.test}${targets.where}`, test.targetShape, train.targetShape);
  for (const part of ['inputs', 'targets'] as const) {
    if (kindOf(test[part]) === kindOf(train[part])) continue;
    throw new UsageError({
      what: `dtypes of ${names[part].train} and ${names[part].test}${names[part].where}`,
      given: 'integers in one, floats in the other',
      allowed: 'the same kind in both',
    });
  }
}

function checkSame(what: string, found: readonly number[], wanted: readonly number[]): void {
  if (showShape(found) === showShape(wanted)) return;
  const allowed = `${showShape(wanted)}, like the training samples`;
  throw new UsageError({ what, given: showShape(found), allowed });
}

/** The largest of numbers from 0; 0 for none. */
export function largest(values: Int32Array): number {
  let most = 0;
  for (const value of values) if (value > most) most = value;
  return most;
}

/** Splits samples into two parts; the second gets `count` drawn ones. */
export function splitPart(
  whole: Part,
  count: number,
  { seed = 1, classes }: { readonly seed?: number; readonly classes?: number },
): { readonly train: Part; readonly test: Part } {
  const { targets, targetShape } = whole;
  const task =
    targets instanceof Int32Array && targetShape.length === 1
      ? ({ kind: 'classification', classes: classes ?? 1 + largest(targets) } as const)
      : ({ kind: 'regression', targetShape } as const);
  const marks = drawHeldOut({ task, train: { count: whole.count, targets } }, count, seed);
  const indicesOf = (mark: number): Int32Array => {
    const all = Int32Array.from(marks, (_, sample) => sample);
    return all.filter((sample) => marks[sample] === mark);
  };
  return { train: takeRows(whole, indicesOf(0)), test: takeRows(whole, indicesOf(1)) };
}

/** The samples with these indexes. */
export function takeRows(part: Part, indices: Int32Array): Part {
  const { inputs, targets, inputShape, targetShape } = part;
  return {
    ...part,
    count: indices.length,
    inputs: rows(inputs, sizeOf(inputShape), indices),
    targets: rows(targets, sizeOf(targetShape), indices),
  };
}
