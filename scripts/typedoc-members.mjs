// A typedoc plugin: `nn` and `optim` list functions only by name, so their members get the comments
// of these functions.

import { Converter, ReflectionKind } from 'typedoc';
import ts from 'typescript';

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    if (!reflection.parent?.kindOf(ReflectionKind.Namespace) || reflection.comment) return;
    const symbol = context.getSymbolFromReflection(reflection);
    const declaration = symbol?.declarations?.find(ts.isShorthandPropertyAssignment);
    if (declaration === undefined) return;
    const { checker } = context;
    let named = checker.getShorthandAssignmentValueSymbol(declaration);
    if (named && named.flags & ts.SymbolFlags.Alias) named = checker.getAliasedSymbol(named);
    const made = named?.declarations?.find(ts.isFunctionDeclaration);
    const comment = made && context.getSignatureComment(made);
    if (comment !== undefined) reflection.comment = comment;
  });
}
