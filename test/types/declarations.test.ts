// The type declarations as they are published: complete, good for any project, and no wider than
// what the library takes.

import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const entries = [`${dist}/index.d.ts`, `${dist}/collectives.d.ts`];
for (const entry of entries) {
  if (!existsSync(entry)) throw new Error(`${entry} is missing: npm run build makes it`);
}

/** What users write, with the lines that have to be refused. */
const uses = ['model', 'trainer', 'group'].map((name) =>
  fileURLToPath(new URL(`./${name}.ts`, import.meta.url)),
);
/** What stands above such a line: the number of the error, and why. */
const REFUSED = /\/\/ @ts-expect-error (TS\d+): /g;

/** A project that checks declarations, with Node's types and without those of browsers. */
const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  lib: ['lib.es2022.d.ts'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
};
const host = ts.createCompilerHost(options);
const { readFile } = host;
// Without their directives, so that the errors are there to be read.
host.readFile = (file) => {
  const text = readFile(file);
  return uses.includes(file) ? text?.replaceAll(REFUSED, '// $1: ') : text;
};
const program = ts.createProgram([...entries, ...uses], options, host);

const checker = program.getTypeChecker();
/** Types that have a name of their own to export. */
const NAMED_TYPE = ts.SymbolFlags.Type & ~ts.SymbolFlags.TypeParameter;
/** Functions and constants, whose declarations have types of their own. */
const NAMED_VALUE = ts.SymbolFlags.Function | ts.SymbolFlags.Variable;

function isDeclared({ fileName }: ts.SourceFile): boolean {
  return fileName.startsWith(dist);
}

/** What a name stands for, wherever it was imported from. */
function meaningOf(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

/** What the entries export, under whatever name. */
function exportedSymbols(): readonly ts.Symbol[] {
  return entries.flatMap((entry) => {
    const file = program.getSourceFile(entry)!;
    return checker.getExportsOfModule(checker.getSymbolAtLocation(file)!).flatMap((name) => {
      const symbol = meaningOf(name);
      // `export type A = B` exports B as well.
      const { symbol: aliased } = checker.getDeclaredTypeOfSymbol(symbol);
      return aliased === undefined ? [symbol] : [symbol, aliased];
    });
  });
}

/** The types of this package in a declaration that a caller sees, and in those of the functions
 * that it names, as `nn` names its builders by `typeof`. */
function typesIn(symbol: ts.Symbol): readonly ts.Symbol[] {
  const found = new Set<ts.Symbol>();
  const seen = new Set<ts.Symbol>();
  const look = (symbol: ts.Symbol): void => {
    if (seen.has(symbol)) return;
    seen.add(symbol);
    for (const node of symbol.declarations ?? []) {
      if (isDeclared(node.getSourceFile())) visit(node);
    }
  };
  const visit = (node: ts.Node): void => {
    const named = ts.isIdentifier(node) ? checker.getSymbolAtLocation(node) : undefined;
    if (named !== undefined) {
      const symbol = meaningOf(named);
      if (symbol.flags & NAMED_TYPE) found.add(symbol);
      if (symbol.flags & NAMED_VALUE) look(symbol);
    }
    ts.forEachChild(node, visit);
  };
  look(symbol);
  return [...found].filter(({ declarations }) =>
    declarations?.some((node) => isDeclared(node.getSourceFile())),
  );
}

describe('the type declarations', () => {
  it('are correct without browser types', () => {
    const errors = ts
      .getPreEmitDiagnostics(program)
      .filter(({ file }) => file === undefined || isDeclared(file))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
    expect(errors).toEqual([]);
  });

  it('name only types that can be imported', () => {
    const exported = exportedSymbols();
    expect(exported.length).toBeGreaterThan(100);
    const optim = exported.find(({ name }) => name === 'optim')!;
    expect(typesIn(optim).map(({ name }) => name)).toContain('CosineOptions');
    const known = new Set(exported);
    const hidden = exported
      .flatMap(typesIn)
      .filter((symbol) => !known.has(symbol))
      .map(({ name }) => name);
    expect([...new Set(hidden)]).toEqual([]);
  });

  it('need no package except Node', () => {
    const files = program.getSourceFiles().filter(isDeclared);
    const modules = files.flatMap(({ text }) =>
      [...text.matchAll(/from '([^'.][^']*)'/g)].map((match) => match[1]!),
    );
    expect(modules.filter((name) => !name.startsWith('node:'))).toEqual([]);
  });
});

describe('user code', () => {
  it.each(uses.map((file) => [basename(file), file]))(
    '%s is rejected where it says so, for that reason, and nowhere else',
    (_, file) => {
      const lines = readFileSync(file, 'utf8').split('\n');
      const expected = lines.flatMap((line, i) =>
        [...line.matchAll(REFUSED)].map(([, error]) => `line ${i + 2}: ${error}`),
      );
      expect(expected.length).toBeGreaterThan(10);
      const source = program.getSourceFile(file)!;
      const found = program.getSemanticDiagnostics(source).map(({ start, code }) => {
        return `line ${source.getLineAndCharacterOfPosition(start!).line + 1}: TS${code}`;
      });
      expect(found).toEqual(expected);
    },
  );
});
