// The public names of the package, as their sources declare them: what src/index.ts exports, the
// members of interfaces, and the functions that `nn` and `optim` list. Nothing is compiled.

import { dirname, relative, resolve } from 'node:path';
import ts from 'typescript';
import { ROOT, textOf } from './sources.ts';

export interface PublicName {
  /** `Trainer`, `TrainerOptions.seed`, `nn.conv2d`. */
  readonly name: string;
  readonly node: ts.Node;
  /** Of the comment before it, without its stars; undefined where there is none. */
  readonly comment: string | undefined;
  /** What follows `@example`. */
  readonly example: string | undefined;
}

const parsed = new Map<string, ts.SourceFile>();

function parse(file: string): ts.SourceFile {
  const known = parsed.get(file);
  if (known !== undefined) return known;
  const source = ts.createSourceFile(file, textOf(file), ts.ScriptTarget.Latest, true);
  parsed.set(file, source);
  return source;
}

function moduleOf(specifier: ts.Expression, file: string): string {
  const name = (specifier as ts.StringLiteral).text;
  return relative(ROOT, resolve(ROOT, dirname(file), name));
}

function isDeclarationOf(node: ts.Statement, name: string): boolean {
  if (ts.isVariableStatement(node)) {
    return node.declarationList.declarations.some(({ name: one }) => one.getText() === name);
  }
  const isNamed =
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node);
  return isNamed && node.name?.text === name;
}

interface Found {
  readonly file: string;
  readonly nodes: readonly ts.Statement[];
}

/** The declarations of a name that a file declares, imports or passes on. */
function declarationsOf(file: string, name: string): Found | undefined {
  const { statements } = parse(file);
  const nodes = statements.filter((node) => isDeclarationOf(node, name));
  if (nodes.length > 0) return { file, nodes };
  for (const node of statements) {
    const from = ts.isImportDeclaration(node) || ts.isExportDeclaration(node) ? node : undefined;
    const specifier = from?.moduleSpecifier;
    if (specifier === undefined || !specifier.getText().startsWith("'.")) continue;
    const bindings = ts.isImportDeclaration(from!)
      ? from.importClause?.namedBindings
      : (from as ts.ExportDeclaration).exportClause;
    if (bindings === undefined) {
      const found =
        ts.isExportDeclaration(from!) && declarationsOf(moduleOf(specifier, file), name);
      if (found) return found;
    } else if (ts.isNamedImports(bindings) || ts.isNamedExports(bindings)) {
      const one = [...bindings.elements].find((element) => element.name.text === name);
      const inside = (one?.propertyName ?? one?.name)?.getText();
      if (inside !== undefined) return declarationsOf(moduleOf(specifier, file), inside);
    }
  }
  return undefined;
}

/** The names that a file exports. */
function exportedNames(file: string): readonly string[] {
  return parse(file).statements.flatMap((node) => {
    if (ts.isExportDeclaration(node)) {
      const { exportClause, moduleSpecifier } = node;
      if (exportClause === undefined) return exportedNames(moduleOf(moduleSpecifier!, file));
      return (exportClause as ts.NamedExports).elements.map(({ name }) => name.getText());
    }
    const { modifiers } = node as { readonly modifiers?: ts.NodeArray<ts.ModifierLike> };
    if (!modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
    if (ts.isVariableStatement(node)) {
      return node.declarationList.declarations.map(({ name }) => name.getText());
    }
    return [(node as ts.FunctionDeclaration).name!.text];
  });
}

function described(name: string, nodes: readonly ts.Node[]): PublicName {
  const whole = nodes.flatMap((node) => ts.getJSDocCommentsAndTags(node)).find(ts.isJSDoc);
  const text = whole
    ?.getText()
    .replace(/^\/\*\*|\*\/$/g, '')
    .replace(/^ *\* ?/gm, '')
    .trim();
  const [comment, example] = text?.split('@example') ?? [];
  return { name, node: nodes[0]!, comment: comment?.trim() || undefined, example: example?.trim() };
}

function isPublic(member: ts.ClassElement | ts.TypeElement): boolean {
  const hidden = ts.SyntaxKind.PrivateKeyword;
  const { modifiers } = member as { readonly modifiers?: ts.NodeArray<ts.ModifierLike> };
  return !ts.isConstructorDeclaration(member) && !modifiers?.some(({ kind }) => kind === hidden);
}

function membersOf(name: string, node: ts.Node): readonly PublicName[] {
  if (!ts.isInterfaceDeclaration(node) && !ts.isClassDeclaration(node)) return [];
  const members = [...node.members].filter(isPublic);
  return members.map((one) => described(`${name}.${one.name?.getText() ?? '[index]'}`, [one]));
}

/** What an object lists: functions by their names alone, others within, methods. */
function listed(name: string, file: string, node: ts.Node): readonly PublicName[] {
  if (!ts.isObjectLiteralExpression(node)) return [];
  return node.properties.flatMap((property): readonly PublicName[] => {
    if (ts.isMethodDeclaration(property)) {
      return [described(`${name}.${property.name.getText()}`, [property])];
    }
    if (ts.isSpreadAssignment(property)) return listedBy(name, file, property.expression);
    if (ts.isPropertyAssignment(property)) {
      return listed(`${name}.${property.name.getText()}`, file, property.initializer);
    }
    return listedBy(`${name}.${property.name!.getText()}`, file, property.name as ts.Identifier);
  });
}

function listedBy(name: string, file: string, node: ts.Expression): readonly PublicName[] {
  if (!ts.isIdentifier(node)) return listed(name, file, node);
  const found = declarationsOf(file, node.text)!;
  const [first] = found.nodes;
  if (!ts.isVariableStatement(first!)) return [described(name, found.nodes)];
  return listed(name, found.file, first.declarationList.declarations[0]!.initializer!);
}

/** All public names. */
export function publicNames(entry = 'src/index.ts'): readonly PublicName[] {
  return exportedNames(entry).flatMap((name) => {
    const found = declarationsOf(entry, name);
    if (found === undefined) throw new Error(`${name} is not declared anywhere.`);
    const { file, nodes } = found;
    const inside = nodes.flatMap((node) => {
      if (!ts.isVariableStatement(node)) return membersOf(name, node);
      const { initializer } = node.declarationList.declarations[0]!;
      return initializer === undefined ? [] : listed(name, file, initializer);
    });
    return [described(name, nodes), ...inside];
  });
}
