// The end of a simulation: prints events or tables, and writes its folder.

import { type OutFile, writeFiles } from '../output/outFolder.ts';
import { say, screen } from '../output/screen.ts';
import type { Flags } from '../settings/flags.ts';

export async function endSimulation(
  flags: Flags,
  of: {
    events(): readonly object[];
    show(): void;
    /** For the folder that `--out` names. */
    files(): readonly OutFile[];
  },
): Promise<void> {
  const out = flags.text('out');
  const isJson = flags.isSet('json');
  if (isJson) for (const event of of.events()) screen.sayJson(event);
  else of.show();
  if (out === undefined) return;
  await writeFiles(out, of.files());
  if (!isJson) say(`Written to ${out}: report.html and its data.`);
}
