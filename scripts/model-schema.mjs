// Writes the JSON schema of models, schema/model.schema.json, and the list of layers in
// docs/layer-reference.md, from the forms and doc comments of the layers. --check reports whether
// both are up to date.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';
import { layersPage } from './layers-page.mjs';
import { specComments } from './spec-comments.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const schemaFile = join(root, 'schema/model.schema.json');
const pageFile = join(root, 'docs/layer-reference.md');

const outfile = join(root, 'node_modules/.cache/syncbn-schema/modelSchema.mjs');
await bundle(join(root, 'src/nn/models/modelSchema.ts'), outfile);
const { modelSchema } = await import(pathToFileURL(outfile).href);

const schema = described(modelSchema());
const written = [
  { file: schemaFile, text: `${JSON.stringify(schema, null, 2)}\n` },
  { file: pageFile, text: layersPage(readFileSync(pageFile, 'utf8'), schema.$defs) },
];
if (process.argv.includes('--check')) {
  const old = written.filter(({ file, text }) => readFileSync(file, 'utf8') !== text);
  for (const { file } of old) console.error(`${file} is out of date. Try: npm run schema`);
  process.exitCode = old.length === 0 ? 0 : 1;
} else {
  for (const { file, text } of written) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** The schema with descriptions from the doc comments. */
function described(/** @type {{ $defs: Record<string, any> }} */ bare) {
  const comments = specComments(join(root, 'src/nn/specs'));
  const $defs = Object.entries(bare.$defs).map(([name, def]) => {
    const found = comments.get(name === 'graphNode' ? 'GraphNode' : name);
    if (found === undefined) return [name, def];
    const fields = Object.entries(def.properties).map(([field, json]) => {
      const description = found.fields[field];
      // This draft ignores everything next to a reference.
      const whole = '$ref' in json ? { allOf: [json] } : json;
      return [field, description === undefined ? json : { description, ...whole }];
    });
    return [name, { description: found.text, ...def, properties: Object.fromEntries(fields) }];
  });
  return { ...bare, $defs: Object.fromEntries($defs) };
}
