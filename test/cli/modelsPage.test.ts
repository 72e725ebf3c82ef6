// docs/models.md: what its commands print is what stands below them, and its graph in JSON is what
// its code makes. `npx vitest run test/cli/modelsPage.test.ts -u` writes what has changed.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { prettyJson } from '../../src/cli/output/prettyJson.ts';
import { nn } from '../../src/index.ts';
import { shortSpec } from '../../src/nn/models/shortSpec.ts';
import { syncbn } from '../support/cli.ts';
import { schemaErrors } from '../support/schemaErrors.ts';

const path = fileURLToPath(new URL('../../docs/models.md', import.meta.url));
const COMMAND = /(```sh\nnpx syncbn ([^\n]*)\n```\n\n```(?:text|json)\n).*?(```\n)/gs;
const GRAPH = /(```js\n(.*?)```\n\nThe same as JSON:\n\n```json\n).*?(```\n)/s;

/** The graph that the page's program exports. */
function graphOf(program: string): ReturnType<typeof nn.graph> {
  const body = program
    .replace(/^import .*$/m, '')
    .replace('export const squeezeExcite =', 'return');
  return new Function('nn', body)(nn);
}

describe('docs/models.md', () => {
  it('shows what its commands print, and its graph as JSON', async () => {
    const page = readFileSync(path, 'utf8');
    const commands = [...page.matchAll(COMMAND)].map(([, , args]) => args!);
    expect(commands.map((args) => args.split(' ')[0])).toEqual(['models', 'summary', 'init']);
    const printed = await Promise.all(commands.map((args) => syncbn(args.split(' '))));
    for (const { code, stderr } of printed) expect([code, stderr]).toEqual([0, '']);
    const outputs = printed.map(({ stdout }) => stdout).values();
    const graph = graphOf(GRAPH.exec(page)![2]!);
    expect(schemaErrors(graph)).toEqual([]);
    const whole = page
      .replace(COMMAND, (_, before, _args, after) => before + outputs.next().value + after)
      .replace(GRAPH, (_, before, _program, after) => {
        return `${before}${prettyJson(shortSpec(graph))}\n${after}`;
      });
    await expect(whole).toMatchFileSnapshot(path);
  });
});
