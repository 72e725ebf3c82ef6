// Jobs and layers of the user's that Node cannot load, as real files in a package of their own: the
// error names the file and what would help.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { customKindOf } from '../../src/nn/layers/customKind.ts';
import { custom } from '../../src/nn/specs/custom.ts';
import { loadModules } from '../../src/nn/specs/modules.ts';
import type { launch as Launch } from '../../src/runtime/launch.ts';
import { ROOT } from '../support/ranks/threads.ts';
import { launchBuilt } from '../support/runs/launchBuilt.ts';

const folder = mkdtempSync(join(realpathSync(tmpdir()), 'syncbn-unloadable-'));
const FILES = {
  'package.json': '{ "type": "commonjs" }',
  'import.js': "import 'node:fs';\nexport default () => 1;\n",
  'export.js': 'export default () => 1;\n',
  'requires.cjs': "module.exports = require('./export.js');\n",
  'imports.mjs': "import './export.js';\nexport default () => 1;\n",
  'typed.ts': 'export default (): number => 1;\n',
  'typedInside.mjs': "import './typed.ts';\nexport default () => 1;\n",
  'commonjs.mjs': 'module.exports = () => 1;\n',
  'compiled.cjs': 'exports.__esModule = true;\nexports.default = () => 1;\n',
  'words.txt': 'words',
  'works.cjs': 'module.exports = () => 1;\n',
};

/** Starts a model with each of the modules. */
const TRAIN = `
  import { nn, synthetic, Trainer } from 'syncbn';
  const data = synthetic({ train: 32, test: 16, shape: [8, 8, 1] });
  for (const module of process.argv.slice(2)) {
    const model = nn.sequential([nn.custom(new URL(module)), nn.flatten(), nn.linear(64, 10)]);
    const options = { model, data, optimizer: { kind: 'sgd', lr: 0.1 }, workers: 1 };
    await Trainer.start(options).catch(({ name, message }) => console.log(name + ': ' + message));
  }
`;
for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
writeFileSync(join(folder, 'train.mjs'), TRAIN);
mkdirSync(join(folder, 'node_modules'));
symlinkSync(ROOT, join(folder, 'node_modules', 'syncbn'));

let launch: typeof Launch;
beforeAll(async () => {
  launch = await launchBuilt();
});
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);
const RENAME = `Try: renaming ${at('export.js')} to .mjs, or "type": "module" in its package.json.`;
const BUILD = `Try: building ${at('typed.ts')} to .mjs first: threads of Node`;

/** Which of them, and what the error has to say, of jobs and layers alike. */
const CASES: readonly (readonly [string, string])[] = [
  ['import.js', `Try: renaming ${at('import.js')} to .mjs`],
  ['export.js', RENAME],
  ['requires.cjs', RENAME],
  ['commonjs.mjs', 'Try: import and export default instead of require and module.exports'],
  ['compiled.cjs', 'Try: building the module as ESM: this one was compiled to CommonJS.'],
  ['words.txt', 'Try: a file that ends in .mjs.'],
];
/** Later ones load types. */
const isNode20 = process.versions.node.startsWith('20.');

async function messageOf(loading: Promise<unknown>): Promise<string> {
  const error = await loading.then(
    () => expect.unreachable('it should not load'),
    (thrown: unknown) => thrown as Error,
  );
  expect(error.name).toBe('UsageError');
  return error.message;
}

describe('the module of launch', () => {
  it.each(CASES)('%s is refused with a suggestion', async (file, hint) => {
    const message = await messageOf(launch(at(file), { workers: 1 }));
    expect(message).toContain(pathToFileURL(at(file)).href);
    expect(message).toContain(hint);
  });

  it('that imports a refused module is refused in the same way', async () => {
    expect(await messageOf(launch(at('imports.mjs'), { workers: 2 }))).toContain(RENAME);
  });

  it.runIf(isNode20)('in TypeScript has to be built, under vitest too', async () => {
    expect(await messageOf(launch(at('typed.ts'), { workers: 1 }))).toContain(BUILD);
    expect(await messageOf(launch(at('typedInside.mjs'), { workers: 1 }))).toContain(BUILD);
  });

  it('may be CommonJS', async () => {
    expect(await launch(at('works.cjs'), { workers: 1 })).toEqual([1]);
  });
});

describe('the module of a custom layer', () => {
  // In a process without vitest, whose loader is more lenient.
  it('is refused with a suggestion', async () => {
    const names = CASES.map(([file]) => pathToFileURL(at(file)).href);
    const argv = [at('train.mjs'), ...names];
    const { stdout } = await promisify(execFile)(process.execPath, argv);
    const messages = stdout.trim().split('\n');
    expect(messages.length).toBe(CASES.length);
    for (const [i, [, hint]] of CASES.entries()) {
      expect(messages[i]).toContain(names[i]);
      expect(messages[i]).toContain(hint);
    }
  });

  it('has to return a layer', async () => {
    const spec = custom(pathToFileURL(at('works.cjs')));
    await loadModules([spec.module], undefined);
    expect(() => customKindOf(spec)).toThrow(UsageError);
    expect(() => customKindOf(spec)).toThrow('makes lacks outputShape, forward, backward. Try:');
  });
});
