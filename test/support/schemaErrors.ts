// Validates a model with the published JSON schema, like an editor or any other program.

import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';

const schema = readFileSync(new URL('../../schema/model.schema.json', import.meta.url), 'utf8');
// Unknown keywords and formats, and properties of what is no object, are mistakes of the schema.
const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(JSON.parse(schema));

/** The errors, each with its place: `/layers/0 must have required property 'channels'`. */
export function schemaErrors(model: unknown): readonly string[] {
  validate(JSON.parse(JSON.stringify(model)));
  const errors = validate.errors ?? [];
  // What an `if` and the like add to the errors of their parts.
  const own = errors.filter(({ keyword }) => !['if', 'not'].includes(keyword));
  return own.map(({ instancePath, message }) => `${instancePath} ${message}`);
}
