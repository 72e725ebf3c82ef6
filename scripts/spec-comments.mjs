// What the doc comments in src/nn/specs say about layers and their fields, for the JSON schema of
// models and the page about them. Parses the sources without running them.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/**
 * @typedef {{ text: string, bases: string[], kind: string | undefined,
 *   fields: Map<string, string> }} Described An interface.
 * @typedef {{ text: string, fields: Record<string, string> }} Comments Of a layer.
 */

/**
 * The comments by the kind of the layer, or by the name of an interface: `conv2d`, `GraphNode`.
 * @param {string} folder
 * @returns {ReadonlyMap<string, Comments>}
 */
export function specComments(folder) {
  /** @type {Map<string, Described>} */
  const interfaces = new Map();
  /** @type {Map<string, { text: string, options: string | undefined }>} */
  const builders = new Map();
  for (const name of readdirSync(folder)) {
    const text = readFileSync(join(folder, name), 'utf8');
    const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
    for (const node of source.statements) {
      if (ts.isInterfaceDeclaration(node)) interfaces.set(node.name.text, describe(node));
      if (ts.isFunctionDeclaration(node) && node.name !== undefined) {
        const options = node.parameters.find((one) => one.name.getText() === 'options');
        builders.set(node.name.text, {
          text: commentOf(node),
          options: options?.type?.getText(),
        });
      }
    }
  }
  /** @type {(name: string | undefined) => Record<string, string>} */
  const fieldsOf = (name) => {
    const found = name === undefined ? undefined : interfaces.get(name);
    if (found === undefined) return {};
    return Object.assign({}, ...found.bases.map(fieldsOf), Object.fromEntries(found.fields));
  };
  /** @type {Map<string, Comments>} */
  const comments = new Map();
  for (const [name, { text, kind }] of interfaces) {
    const builder = kind === undefined ? undefined : builders.get(kind);
    const fields = { ...fieldsOf(name), ...fieldsOf(builder?.options) };
    comments.set(kind ?? name, { text: builder?.text || text, fields });
  }
  return comments;
}

/** @type {(node: ts.InterfaceDeclaration) => Described} */
function describe(node) {
  const members = node.members.filter(ts.isPropertySignature);
  const kind = members.find((member) => member.name.getText() === 'kind')?.type;
  const isNamed = kind && ts.isLiteralTypeNode(kind) && ts.isStringLiteral(kind.literal);
  // The schema covers `kind` completely.
  const documented = members.filter(
    (member) => member.name.getText() !== 'kind' && commentOf(member) !== '',
  );
  return {
    text: commentOf(node),
    bases: (node.heritageClauses ?? []).flatMap(({ types }) => types.map((one) => one.getText())),
    kind: isNamed ? /** @type {ts.StringLiteral} */ (kind.literal).text : undefined,
    fields: new Map(documented.map((member) => [member.name.getText(), commentOf(member)])),
  };
}

/**
 * The comment on one line, with links as their names, without what a function throws.
 * @type {(node: ts.Node) => string}
 */
function commentOf(node) {
  const comment = ts.getJSDocCommentsAndTags(node).find(ts.isJSDoc)?.getText() ?? '';
  return (
    comment
      .replace(/^\/\*\*|\*\/$/g, '')
      .replace(/^\s*\* ?/gm, ' ')
      .replace(/\{@link ([^}]+)\}/g, '`$1`')
      .replace(/\s+/g, ' ')
      // Concerns only the function, and always comes last.
      .replace(/ ?Throws a `UsageError`.*/, '')
      .replace(/ @example .*/, '')
      .trim()
  );
}
