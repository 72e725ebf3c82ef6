// `syncbn init`: writes a model as JSON, to be changed by hand and trained with `--model net.json`.

import { dirname, relative, sep } from 'node:path';
import { writeWhole } from '../../base/wholeFile.ts';
import { shortSpec } from '../../nn/models/shortSpec.ts';
import { prettyJson } from '../output/prettyJson.ts';
import { say, screen } from '../output/screen.ts';
import { spellOut } from '../output/text.ts';
import { askedModel } from '../settings/askedModel.ts';
import type { Flags } from '../settings/flags.ts';
import { refuseWithout } from '../settings/kindFlags.ts';
import { refuseExisting } from '../settings/startingPoint.ts';

/** Relative to the folder of a program that uses the package. */
const SCHEMA = 'node_modules/syncbn/schema/model.schema.json';

export async function runInit(flags: Flags, argument: string | undefined): Promise<number> {
  const out = flags.text('out');
  refuseWithout(flags, 'overwrite', '--out', out !== undefined);
  const { model } = await askedModel('init', flags, argument);
  const text = spellOut(prettyJson({ $schema: schemaFrom(out), ...shortSpec(model) }));
  if (out === undefined) {
    screen.sayShown(text);
    return 0;
  }
  if (!flags.isSet('overwrite')) refuseExisting(out, '--out');
  await writeWhole(out, `--out ${out}`, `${text}\n`);
  say(`Written to ${out}.`);
  return 0;
}

/** The path of the schema relative to the file. */
function schemaFrom(out: string | undefined): string {
  const path = out === undefined ? SCHEMA : relative(dirname(out), SCHEMA).replaceAll(sep, '/');
  return path.startsWith('.') ? path : `./${path}`;
}
