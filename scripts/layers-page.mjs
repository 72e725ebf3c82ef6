// The layers in docs/layer-reference.md, each with its fields, from the JSON schema of models.

const BEGIN = '<!-- layers: npm run schema -->';
const END = '<!-- end of the layers -->';
/** Larger bounds only limit what is addressable and are not informative. */
const LARGE = 2 ** 20;

/**
 * The page with its list of layers replaced.
 * @param {string} page
 * @param {Record<string, any>} defs Of the schema.
 */
export function layersPage(page, defs) {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`docs/layer-reference.md has no ${BEGIN} or no ${END}.`);
  const layers = Object.entries(defs).filter(
    ([, def]) => def.properties?.kind?.const !== undefined,
  );
  const texts = layers.map(([kind, def]) => layerText(kind, def));
  return [before, BEGIN, '\n\n', texts.join('\n'), '\n', END, after].join('');
}

/** @type {(kind: string, def: any) => string} */
function layerText(kind, { description, properties, required }) {
  const { $schema: _schema, kind: _kind, ...fields } = properties;
  const rows = Object.entries(fields).map(([name, { description: meaning = '', ...field }]) => {
    const fallback = 'default' in field ? `, default \`${JSON.stringify(field.default)}\`` : '';
    const need = required.includes(name) ? ', required' : fallback;
    return `- \`${name}\`: ${valuesOf(field)}${need}. ${meaning}`.trimEnd();
  });
  const list = rows.length === 0 ? '' : `\n${rows.join('\n')}\n`;
  return `## \`${kind}\`\n\n${description ?? ''}\n${list}`;
}

/** @type {(field: any) => string} */
function valuesOf({ type, enum: words, anyOf, allOf, $ref, items, minItems, ...bounds }) {
  if ($ref !== undefined) return $ref.endsWith('/graphNode') ? 'a node' : 'a layer';
  const parts = allOf ?? anyOf;
  if (parts !== undefined) return parts.map(valuesOf).join(' or ');
  if (words !== undefined) {
    return words.map((/** @type {string} */ word) => `\`"${word}"\``).join(', ');
  }
  if (Array.isArray(type)) {
    return type.map((one) => valuesOf({ type: one, items, ...bounds })).join(' or ');
  }
  if (type === 'array') {
    return minItems === 2
      ? 'a pair of them'
      : `a list: ${valuesOf(items).replace(/^a /, 'each a ')}`;
  }
  if (type === 'integer') return `a whole number${rangeOf(bounds)}`;
  if (type === 'number') return `a number${rangeOf(bounds)}`;
  if (type === 'boolean') return 'true or false';
  if (type === 'string') return 'text';
  return type === 'null' ? 'null' : 'any JSON';
}

/** @type {(bounds: any) => string} */
function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  const least = minimum !== undefined && ` from ${minimum}`;
  const above = exclusiveMinimum !== undefined && ` above ${exclusiveMinimum}`;
  const most = maximum !== undefined && maximum < LARGE && ` to ${maximum}`;
  const below = exclusiveMaximum !== undefined && ` to below ${exclusiveMaximum}`;
  return [least, above, most, below].filter(Boolean).join('');
}
