// The docstrings of public names: each has one, options say their defaults, functions have an
// example, and the examples of layers have the shapes that they say.

import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { nn, optim } from '../../src/index.ts';
import { buildGraph } from '../../src/nn/graph/graph.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { publicNames } from '../support/publicNames.ts';

const names = publicNames();
const functions = names.filter(({ node }) => {
  const isListed = ts.isMethodDeclaration(node) && ts.isObjectLiteralExpression(node.parent);
  return ts.isFunctionDeclaration(node) || isListed;
});
const builders = [
  ...functions.filter(({ name }) => /^(nn|optim)\./.test(name)),
  // Their builders are made from a table.
  ...names.filter(({ name }) => name.startsWith('OptimizerBuilders.')),
];
/** Interfaces of calls: one example shows how these go together. */
const CALLED = ['RunningTrainer', 'LoadedModel', 'Group', 'Norms'];

describe('public names', () => {
  it('are found: exports, members, builders', () => {
    const found = names.map(({ name }) => name);
    const some = ['Trainer.start', 'TrainerOptions.seed', 'nn.conv2d', 'nn.relu', 'launch'];
    expect(found).toEqual(expect.arrayContaining([...some, 'optim.schedules.cosine']));
    expect(functions.filter(({ name }) => name.startsWith('nn.'))).toHaveLength(
      Object.keys(nn).length,
    );
  });

  it('all have a docstring', () => {
    const bare = names.filter(({ comment }) => comment === undefined).map(({ name }) => name);
    expect(bare).toEqual([]);
  });

  it('of optional options give the default', () => {
    const options = names.filter(({ name, node }) => {
      const isOption = /Options\.|^NormRequest\./.test(name) && ts.isPropertySignature(node);
      return isOption && node.questionToken !== undefined;
    });
    expect(options.length).toBeGreaterThan(200);
    const silent = options.filter(({ comment }) => {
      return !/default|absent|without|where|needed|as \{@link|as `|likewise|in place of/i.test(
        comment!,
      );
    });
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  it('of functions have an example', () => {
    const called = names.filter(({ name }) => CALLED.includes(name));
    expect(called).toHaveLength(CALLED.length);
    const bare = [...functions, ...builders, ...called].filter(
      ({ example }) => example === undefined,
    );
    expect(bare.map(({ name }) => name)).toEqual([]);
  });
});

describe('the examples of builders', () => {
  it.each(builders.map(({ name, example }) => [name, example!] as const))(
    '%s makes what it says',
    (name, example) => {
      const [code, shapes] = example.split(/ \/\/ (?=\[)/) as [string, string | undefined];
      const placed = code.replaceAll('import.meta.url', 'here');
      const run = new Function('nn', 'optim', 'here', `return ${placed};`);
      const made: unknown = run(nn, optim, import.meta.url);
      expect(made).toHaveProperty('kind');
      if (shapes === undefined) {
        expect(name).toMatch(/^optim|^Optimizer|[cC]ustom|Entropy|Error|\.l1$|huber/);
        return;
      }
      const [input, output] = shapes.split(' -> ').map((text) => JSON.parse(text) as number[]);
      expect(buildGraph(made as LayerSpec, input!).shapes.at(-1)).toEqual(output);
    },
  );
});
