// `syncbn export`: writes the trained model of a checkpoint in another program's format.
// src/interop implements the formats.

import { cleaningUp } from '../../base/cleanup.ts';
import { UsageError } from '../../base/errors.ts';
import { checkWritable, writeWhole } from '../../base/wholeFile.ts';
import type { Checkpoint } from '../../checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../checkpoint/checkpointFile.ts';
import type { NamedValues } from '../../checkpoint/foldNorm.ts';
import { namedWeights } from '../../checkpoint/state.ts';
import type { DatasetDescription } from '../../data/identity.ts';
import { isSafetensorsPath } from '../../interop/weights.ts';
import { exportWeights } from '../../interop/weightsFile.ts';
import { parseModel } from '../../nn/models/parse.ts';
import { loadModules } from '../../nn/specs/modules.ts';
import { customModulesOf, type LayerSpec } from '../../nn/specs/spec.ts';
import { Trainer } from '../../runtime/trainer.ts';
import { say, screen, warn } from '../output/screen.ts';
import type { Flags } from '../settings/flags.ts';
import { refuseWithout } from '../settings/kindFlags.ts';
import { isSameFile } from '../settings/separateFiles.ts';
import { allowModulesFrom, dataFrom, placeFrom } from '../settings/settings.ts';
import { refuseExisting } from '../settings/startingPoint.ts';

/** What to export, and where to. */
interface Exported {
  readonly file: string;
  readonly checkpoint: Checkpoint;
  readonly model: LayerSpec;
  /** Parameters and buffers by name. */
  readonly weights: NamedValues;
  readonly flags: Flags;
}

/** A format that a checkpoint can be exported to. */
interface ExportFormat {
  readonly name: string;
  /** File name extension. */
  readonly ending: string;
  takes(file: string): boolean;
  /** The format's own flags, in addition to the common ones. */
  readonly flags: readonly string[];
  /** Writes the file, and returns counts to report, by what is counted. */
  write(exported: Exported): Promise<Readonly<Record<string, number>>>;
}

const FORMATS: readonly ExportFormat[] = [
  {
    name: 'safetensors',
    ending: '.safetensors',
    takes: isSafetensorsPath,
    flags: [],
    async write({ file, checkpoint, model, weights }) {
      const { inputShape } = checkpoint.data;
      const written = await exportWeights(file, weights, { model, inputShape });
      return { tensors: written.length };
    },
  },
  {
    name: 'onnx',
    ending: '.onnx',
    takes: (file) => file.toLowerCase().endsWith('.onnx'),
    flags: ['fold', 'standardized'],
    async write({ file, checkpoint, model, weights, flags }) {
      const { data } = checkpoint;
      const units = flags.isSet('standardized') ? undefined : data;
      const net = { model, weights, inputShape: data.inputShape };
      const { onnxFile } = await import('../../onnx/export/onnxFile.ts');
      const { bytes, countNodes } = onnxFile(net, { units, fold: flags.isSet('fold') });
      await writeWhole(file, `file to write, ${file}`, bytes);
      return { nodes: countNodes };
    },
  },
];

/** Flags for the data on which an average's statistics are measured. */
const OF_AVERAGES = [
  ...['data', 'layout', 'target', 'ignore-columns', 'regression', 'classes', 'test-split'],
  ...['limit', 'workers', 'timeout-ms'],
] as const;

export async function runExport(flags: Flags, argument: string | undefined): Promise<number> {
  const example = `syncbn export run.ckpt --to model${FORMATS[0]!.ending}`;
  const endings = FORMATS.map(({ ending }) => ending).join(', ');
  const file = flags.text('to');
  if (argument === undefined || file === undefined) {
    throw new UsageError({
      what: 'syncbn export',
      problem: `requires ${argument === undefined ? 'a checkpoint' : '--to, the file to write'}`,
      hint: example,
    });
  }
  const format = FORMATS.find(({ takes }) => takes(file));
  if (format === undefined) {
    const allowed = `a file that ends in ${endings}`;
    throw new UsageError({ what: '--to', given: file, allowed, hint: example });
  }
  for (const { ending, flags: own } of FORMATS) {
    for (const flag of own) {
      refuseWithout(flags, flag, `--to model${ending}`, format.flags.includes(flag));
    }
  }
  for (const flag of OF_AVERAGES) refuseWithout(flags, flag, '--average', flags.isSet('average'));
  if (isSameFile(argument, file)) {
    throw new UsageError({ what: `--to ${file}`, problem: 'is the checkpoint itself' });
  }
  if (!flags.isSet('overwrite')) refuseExisting(file, '--to');
  await checkWritable(file, `file to write, ${file}`);
  const checkpoint = await (await openCheckpoint(argument)).load();
  const model = parseModel(checkpoint.model, `the model of ${argument}`);
  await loadModules(customModulesOf(model), allowModulesFrom(flags));
  const weights = flags.isSet('average')
    ? await averagedWeights(flags, argument, checkpoint.data)
    : namedWeights(checkpoint.tensors);
  const counts = await format.write({ file, checkpoint, model, weights, flags });
  if (flags.isSet('json')) {
    screen.sayJson({ event: 'exported', path: file, format: format.name, ...counts });
    return 0;
  }
  const counted = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
  say(`Written to ${file}: ${counted.join(', ')}.`);
  return 0;
}

/** The average that the run keeps, with running statistics measured on its data. */
async function averagedWeights(
  flags: Flags,
  path: string,
  saved: DatasetDescription,
): Promise<NamedValues> {
  const trainer = await Trainer.resume(path, {
    data: await dataFrom(flags, saved),
    onNotice: (notice) => warn(`syncbn: ${notice}`),
    ...placeFrom(flags),
  });
  const run = async (): Promise<NamedValues> => {
    await trainer.useAverage();
    return trainer.weights();
  };
  return cleaningUp(run, () => trainer.close());
}
