// The JSON schema of models agrees with the parser, and with the sources it is made from.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { graph } from '../../src/nn/models/graphBuilder.ts';
import { modelSchema } from '../../src/nn/models/modelSchema.ts';
import { MODEL_NAMES, modelCard, namedModel } from '../../src/nn/models/models.ts';
import { parseModel } from '../../src/nn/models/parse.ts';
import { shortSpec } from '../../src/nn/models/shortSpec.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { layerForms } from '../../src/nn/specs/forms.ts';
import { schemaErrors } from '../support/schemaErrors.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8');

const node = (layer: unknown, from: readonly string[], name = 'a') => ({ name, layer, from });
const graphOf = (...nodes: readonly object[]) => ({ kind: 'graph', nodes, output: 'a' });
const withHeads = (heads: object) => ({ ...graphOf(node(relu(), ['input'])), heads });
const inSequence = (layer: unknown) => ({ kind: 'sequential', layers: [{ kind: 'relu' }, layer] });

describe('the JSON schema of models', () => {
  it('is up to date in schema/ and docs/layer-reference.md', async () => {
    await promisify(execFile)(process.execPath, ['scripts/model-schema.mjs', '--check'], {
      cwd: root,
    });
  });

  it('has every field of every layer, with its range and purpose', () => {
    const { $defs } = JSON.parse(read('schema/model.schema.json')) as {
      $defs: Record<string, { description: string; properties: Record<string, object> }>;
    };
    const kinds = [...layerForms.map(({ kind }) => kind), 'graph', 'residual', 'sequential'];
    expect(Object.keys($defs)).toEqual(expect.arrayContaining(kinds));
    for (const { kind, schema } of layerForms) {
      const names = ['$schema', 'kind', ...Object.keys(schema.shape)];
      expect(Object.keys($defs[kind]!.properties), kind).toEqual(names);
    }
    const page = read('docs/layer-reference.md');
    for (const kind of kinds) {
      const { $schema: _schema, kind: _kind, ...fields } = $defs[kind]!.properties;
      expect($defs[kind]!.description, kind).toMatch(/\w/);
      const section = page.split(`## \`${kind}\`\n`)[1]!.split('## ')[0]!;
      for (const [name, field] of Object.entries(fields)) {
        expect(field, `${kind} ${name}`).toHaveProperty('description');
        expect(section, `${kind} ${name}`).toContain(`\n- \`${name}\`: `);
        // Options of a custom layer may be anything.
        const {
          description: _text,
          default: _default,
          ...values
        } = field as Record<string, unknown>;
        if (kind !== 'custom') expect(values, `${kind} ${name}`).not.toEqual({});
      }
    }
  });

  it('has the defaults that builders fill in, unless they depend on another field', () => {
    const { $defs } = modelSchema();
    const fieldsOf = (kind: string) => ($defs[kind] as { properties: object }).properties;
    expect(fieldsOf('conv2d')).toMatchObject({
      ...{ stride: { default: 1 }, padding: { default: 0 }, init: { default: 'torch' } },
    });
    expect(fieldsOf('conv2d')).not.toHaveProperty('kernel.default');
    expect(fieldsOf('maxPool')).not.toHaveProperty('stride.default');
    expect(fieldsOf('batchNorm')).toMatchObject({ virtualBatch: { default: null } });
    expect(fieldsOf('batchRenorm')).toMatchObject({ momentum: { default: 0.01 } });
  });

  it.each(MODEL_NAMES)('accepts %s, in full and short form, with $schema', (name) => {
    const model = namedModel(name, modelCard(name).purpose);
    expect(schemaErrors(model)).toEqual([]);
    expect(schemaErrors({ $schema: './model.schema.json', ...shortSpec(model) })).toEqual([]);
    expect(parseModel(shortSpec(model))).toEqual(model);
  });

  it('accepts graphs in graphs', () => {
    const inner = graph((x) => x.apply('deep', relu()));
    expect(schemaErrors(graph((x) => x.apply(inner)))).toEqual([]);
  });

  it('accepts heads', () => {
    const model = graph((x) => ({ main: x, aux: x.apply('a', relu()), deep_2: x }));
    expect(model).toMatchObject({ output: 'input', heads: { aux: 'a', deep_2: 'input' } });
    expect(schemaErrors(model)).toEqual([]);
    expect(parseModel(shortSpec(model))).toEqual(model);
  });

  it.each<[string, unknown, string]>([
    ['no object', 'relu', ' must be object'],
    ['no kind', { layers: [] }, " must have required property 'kind'"],
    ['an unknown kind', { kind: 'rleu' }, '/kind must be equal to one of the allowed values'],
    ['a join alone', { kind: 'add' }, '/kind must be equal to one of the allowed values'],
    ['an unknown field', { kind: 'relu', slope: 1 }, ' must NOT have additional properties'],
    [
      'a missing field, deep inside',
      { kind: 'residual', body: inSequence({ kind: 'batchNorm' }) },
      "/body/layers/1 must have required property 'channels'",
    ],
    [
      'a kernel of three sizes',
      { kind: 'maxPool', kernel: [1, 2, 3] },
      '/kernel must NOT have more than 2 items',
    ],
    ['a fraction', { kind: 'batchNorm', channels: 1.5 }, '/channels must be integer'],
    ['a negative eps', { kind: 'batchNorm', channels: 1, eps: 0 }, '/eps must be > 0'],
    ['a probability of 1', { kind: 'dropout', p: 1 }, '/p must be < 1'],
    ['another word', { kind: 'gelu', approximate: 'erf' }, '/approximate must be equal to one of'],
    [
      '$schema within',
      inSequence({ kind: 'relu', $schema: 'x' }),
      '/layers/1/$schema boolean schema is false',
    ],
    ['a name with spaces', graphOf(node(relu(), ['input'], 'a b')), '/nodes/0/name must match'],
    [
      'an add of one value',
      graphOf(node({ kind: 'add' }, ['input'])),
      '/nodes/0/from must NOT have fewer than 2 items',
    ],
    [
      'a layer of two values',
      graphOf(node(relu(), ['input', 'input'])),
      '/nodes/0/from must NOT have more than 1 items',
    ],
    [
      'a join with options',
      graphOf(node({ kind: 'concat', axis: 0 }, ['input', 'input'])),
      '/nodes/0/layer must NOT have additional properties',
    ],
    ['a node that is a list', graphOf([]), '/nodes/0 must be object'],
    ['a head called main', withHeads({ main: 'a' }), '/heads property name must be valid'],
    ['a head called by a number', withHeads({ 1: 'a' }), '/heads property name must be valid'],
    ['no heads', withHeads({}), '/heads must NOT have fewer than 1 properties'],
    ['a head that is a layer', withHeads({ aux: relu() }), '/heads/aux must be string'],
  ])('refuses %s, as the parser does', (_, model, error) => {
    expect(schemaErrors(model).join('\n')).toContain(error);
    expect(() => parseModel(model)).toThrow();
  });
});
