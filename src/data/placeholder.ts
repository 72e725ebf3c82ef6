// Data for runs that have none, since a plan needs a sample to train on.

import { sizeOf } from '../base/shape.ts';
import type { Dataset, Split } from './dataset.ts';
import { targetSize } from './task.ts';

/** The form of data, without samples. */
export type DataForm = Pick<
  Dataset,
  'inputShape' | 'inputType' | 'task' | 'shift' | 'mean' | 'std'
>;

/** One training sample of zeros, and the given test samples; default none. */
export function placeholderData(name: string, form: DataForm, test?: Split): Dataset {
  const { inputShape, inputType, task, shift, mean, std } = form;
  const splitOf = (count: number): Split => {
    const length = count * sizeOf(inputShape);
    const targets = count * targetSize(task);
    return {
      count,
      inputs: inputType === 'u8' ? new Uint8Array(length) : new Float32Array(length),
      targets: task.kind === 'regression' ? new Float32Array(targets) : new Int32Array(targets),
    };
  };
  return {
    name,
    ...{ inputShape, inputType, task, mean, std },
    ...(shift !== undefined && { shift }),
    train: splitOf(1),
    test: test ?? splitOf(0),
  };
}
