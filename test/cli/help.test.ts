// The pages of the help: 80 columns are enough, examples are command lines that exist.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/entry/commands.ts';
import { commandPage, mainPage, topicList, welcome } from '../../src/cli/entry/helpPages.ts';
import { TOPICS } from '../../src/cli/entry/helpWords.ts';
import { TOPIC_PAGES } from '../../src/cli/entry/topics.ts';
import { joinParagraphs, wrapped } from '../../src/cli/output/wrap.ts';
import { flagsOf } from '../../src/cli/settings/flagText.ts';
import { syncbn } from '../support/cli.ts';
import { ROOT } from '../support/sources.ts';

const COLUMNS = 80;
const topics = Object.entries(TOPIC_PAGES);
const pages: readonly (readonly [string, string])[] = [
  ['nothing', welcome(COLUMNS)],
  ['syncbn', mainPage(COLUMNS)],
  ['topics', topicList(COLUMNS)],
  ...topics.map(([name, text]) => [name, wrapped(joinParagraphs(text), COLUMNS)] as const),
  ...commands.map((command) => [command.name, commandPage(command, COLUMNS)] as const),
];

/** Names of flags in a text, but for a pattern such as --bn-... */
function flagsIn(text: string): readonly string[] {
  return [...text.matchAll(/(?<![\w-])--([a-z][a-z-]*[a-z])(?!-)/g)].map(([, name]) => name!);
}

describe('every page of the help', () => {
  it.each(pages)('of %s fits 80 columns', (_, page) => {
    const wide = page.split('\n').filter((line) => line.length > COLUMNS);
    expect(wide).toEqual([]);
    expect(page).not.toMatch(/ $/m);
  });

  it.each(pages)('of %s names only flags that exist', (_, page) => {
    const known = flagsOf(commands.flatMap(({ groups }) => groups)).map(({ name }) => name);
    const others = ['help', 'version', 'no-flip'];
    expect(flagsIn(page).filter((flag) => ![...known, ...others].includes(flag))).toEqual([]);
  });
});

describe('examples', () => {
  it.each(commands)('end the page of $name and use its flags', (command) => {
    const page = commandPage(command, COLUMNS);
    expect(page.lastIndexOf('\nExamples:\n')).toBeGreaterThan(page.lastIndexOf('\nOutput:\n'));
    for (const [line] of command.examples) {
      expect(line.split(' ')[0]).toBe(command.name);
      const known = flagsOf(command.groups).map(({ name }) => name);
      for (const flag of flagsIn(line)) expect(known).toContain(flag);
    }
    expect(command.examples.length).toBeGreaterThan(0);
  });
});

describe('topics', () => {
  it('are all in the list, and each has a page', () => {
    expect(Object.keys(TOPIC_PAGES)).toEqual(Object.keys(TOPICS));
    expect(commands.map(({ name }) => name).filter((name) => name in TOPICS)).toEqual([]);
  });

  it('point to pages of docs that exist', () => {
    const paths = topics.flatMap(([, page]) => page.match(/docs\/[\w-]+\.md/g) ?? []);
    expect(paths.length).toBeGreaterThan(3);
    for (const path of paths) expect(existsSync(join(ROOT, path))).toBe(true);
  });

  it.each([
    [['help', 'topics'], /^Topics,[\s\S]*\n {2}normalization +Which norm/],
    [['help', 'normalization'], /^--norm says/],
    [['help', 'train'], /^Usage: syncbn train \[flags\]/],
    [['help'], /^Usage: syncbn <command>/],
  ])('are shown by %j', async (args, text) => {
    const { code, stdout, stderr } = await syncbn(args);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(text);
  });

  it('that do not exist are refused with the nearest', async () => {
    const { code, stderr } = await syncbn(['help', 'normalisation']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/has no page normalisation\. Try: syncbn help normalization\.$/m);
  });
});
