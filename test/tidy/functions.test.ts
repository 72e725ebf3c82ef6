// How long functions may be, so that each can be read at a glance.

import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { textOf, written } from '../support/sources.ts';

const MAX_LINES = 80;
/** Just above the longest, convTilesF32 with 226 lines. A kernel's register tile is a set of local
 * variables, which a helper could not return, so kernels have a limit of their own. */
const MAX_KERNEL_LINES = 230;
const KERNELS = 'src/kernels/assembly/';

interface Measured {
  readonly name: string;
  /** Where it begins, from 1. */
  readonly line: number;
  /** From its declaration to its closing brace, both included. */
  readonly lines: number;
}

/** The functions of a text, those inside others too. */
function functionsIn(file: string, text: string): readonly Measured[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: Measured[] = [];
  const lineAt = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const first = lineAt(node.getStart());
      const lines = lineAt(node.end) - first + 1;
      found.push({ name: nameOf(node), line: first + 1, lines });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** A function's name, or that of the variable or property that it is assigned to. */
function nameOf(node: ts.SignatureDeclaration): string {
  if (node.name !== undefined) return node.name.getText();
  const { parent } = node;
  const isNamed = ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent);
  return isNamed ? parent.name.getText() : 'a function without a name';
}

function longerThan(limit: number, file: string, text = textOf(file)): readonly string[] {
  return functionsIn(file, text)
    .filter(({ lines }) => lines > limit)
    .map(({ name, line, lines }) => `${file}:${line}: ${name} has ${lines} lines`);
}

const kernels = written.filter((file) => file.startsWith(KERNELS));
const others = written.filter((file) => !file.startsWith(KERNELS) && !file.startsWith('test/'));

describe('every function', () => {
  it(`outside kernels and tests has at most ${MAX_LINES} lines`, () => {
    expect(others.flatMap((file) => longerThan(MAX_LINES, file))).toEqual([]);
  });

  it(`of a kernel has at most ${MAX_KERNEL_LINES} lines`, () => {
    expect(kernels.flatMap((file) => longerThan(MAX_KERNEL_LINES, file))).toEqual([]);
  });

  it.each([
    ['a declaration', 'function f() {', '}', 'f'],
    ['an arrow', 'const f = () => {', '};', 'f'],
    ['an arrow in an object', 'const o = { f: () => {', '} };', 'f'],
    ['a method in an object', 'const o = { f() {', '} };', 'f'],
    ['a method of a class', 'class C { f() {', '} }', 'f'],
    ['a constructor', 'class C { constructor() {', '} }', 'a function without a name'],
    ['a callback', 'g(() => {', '});', 'a function without a name'],
    ['one inside another', 'function f() { return () => {', '}; }', 'f'],
  ])('is measured: %s', (_, first, last, name) => {
    const of = (lines: number): string => `\n${first}\n${'// x\n'.repeat(lines - 2)}${last}\n`;
    expect(longerThan(10, 'a.ts', of(10))).toEqual([]);
    expect(longerThan(10, 'a.ts', of(11))).toContain(`a.ts:2: ${name} has 11 lines`);
  });
});
