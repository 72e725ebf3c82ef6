// docs/commands.md is what the tables of commands and flags say.

import { describe, expect, it } from 'vitest';
import { commandsPage } from '../../src/cli/entry/commandsPage.ts';
import { textOf } from '../support/sources.ts';

describe('docs/commands.md', () => {
  it('is up to date; npm run docs:commands writes it', () => {
    expect(textOf('docs/commands.md')).toBe(commandsPage());
  });
});
