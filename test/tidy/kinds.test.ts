// Layers are told apart by what their kinds declare, not by name.

import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { layerForms } from '../../src/nn/specs/forms.ts';
import { sources } from '../support/sources.ts';

/** Where a kind speaks of itself: what a layer is, and the work of recurrent layers. */
const OWN = /^src\/(nn\/(conv|layers|norms|recurrent)|kernels)\//;
/** Structure (sequential, residual), custom modules, and relus that others take in. */
const MOST = 15;

const KINDS: ReadonlySet<string> = new Set([
  ...layerForms.map(({ kind }) => kind),
  'residual',
  'sequential',
]);

/** The comparisons of a file with the name of a layer's kind: `===`, `!==` and `case`. */
function comparisonsIn(file: string): readonly string[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(file, 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  const found: string[] = [];
  const isKind = (node: ts.Node): boolean => ts.isStringLiteral(node) && KINDS.has(node.text);
  const isComparison = (kind: ts.SyntaxKind): boolean =>
    kind === ts.SyntaxKind.EqualsEqualsEqualsToken ||
    kind === ts.SyntaxKind.ExclamationEqualsEqualsToken;
  const visit = (node: ts.Node): void => {
    const compares =
      (ts.isBinaryExpression(node) &&
        isComparison(node.operatorToken.kind) &&
        (isKind(node.left) || isKind(node.right))) ||
      (ts.isCaseClause(node) && isKind(node.expression));
    if (compares) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      found.push(`${file}:${line + 1}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

describe('the kinds of layers', () => {
  it(`are compared by name at most ${MOST} times outside of what they are themselves`, () => {
    const found = sources.filter((file) => !OWN.test(file)).flatMap(comparisonsIn);
    expect(found.length, found.join('\n')).toBeLessThanOrEqual(MOST);
    expect(found.length).toBeGreaterThan(0);
  });
});
