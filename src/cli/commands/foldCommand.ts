// `syncbn fold`: a checkpoint for inference, with batch normalization folded into the layers before
// it and the outputs compared on the data's test samples.

import { cleaningUp } from '../../base/cleanup.ts';
import { UsageError } from '../../base/errors.ts';
import { checkWritable } from '../../base/wholeFile.ts';
import { openCheckpoint } from '../../checkpoint/checkpointFile.ts';
import { Trainer } from '../../runtime/trainer.ts';
import { say, screen, warn } from '../output/screen.ts';
import { printTable } from '../output/tables.ts';
import type { Flags } from '../settings/flags.ts';
import { isSameFile } from '../settings/separateFiles.ts';
import { dataFrom, placeFrom } from '../settings/settings.ts';
import { refuseExisting } from '../settings/startingPoint.ts';

export async function runFold(flags: Flags): Promise<number> {
  const [checkpoint, path] = ['checkpoint', 'out'].map((name) => needed(flags, name));
  const tolerance = flags.number('tolerance', 0);
  const place = placeFrom(flags);
  if (isSameFile(checkpoint!, path!)) {
    throw new UsageError({
      what: `--out ${path}`,
      problem: 'is the checkpoint to fold',
      hint: '--out inference.ckpt',
    });
  }
  if (!flags.isSet('overwrite')) refuseExisting(path!, '--out');
  await checkWritable(path!, `checkpoint to write, ${path}`);
  const { head } = await openCheckpoint(checkpoint!);
  const trainer = await Trainer.resume(checkpoint!, {
    data: await dataFrom(flags, head.data),
    onNotice: (notice) => warn(`syncbn: ${notice}`),
    ...place,
  });
  const run = async (): Promise<number> => {
    const overwrite = flags.isSet('overwrite');
    const options = { path: path!, overwrite, ...(tolerance !== undefined && { tolerance }) };
    const { folded, left, maxDifference, maxOutput, countInputs } =
      await trainer.exportInference(options);
    if (flags.isSet('json')) {
      const parity = { maxDifference, maxOutput, countInputs };
      screen.sayJson({ event: 'folded', path, folded, left, ...parity });
      return 0;
    }
    const rows = [
      ...folded.map(({ layer, into }) => ({ layer, result: `folded into ${into}` })),
      ...left.map(({ layer, why }) => ({ layer, result: `left: ${why}` })),
    ];
    if (rows.length > 0) printTable(rows);
    const difference = `${maxDifference.toExponential(1)} of ${maxOutput.toPrecision(3)}`;
    say(`Largest difference of outputs over ${countInputs} samples: ${difference}.`);
    say(`Written to ${path}.`);
    return 0;
  };
  return cleaningUp(run, () => trainer.close());
}

function needed(flags: Flags, name: string): string {
  const value = flags.text(name);
  if (value !== undefined) return value;
  throw new UsageError({
    what: 'syncbn fold',
    problem: `requires --${name}, ${name === 'out' ? 'a file to write' : 'a checkpoint'}`,
    hint: 'syncbn fold --checkpoint run.ckpt --out inference.ckpt',
  });
}
