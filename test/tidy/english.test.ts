// English that an engineer reads without noticing: phrases that are not idiomatic stay out of code,
// messages, pages and the titles of tests.

import { describe, expect, it } from 'vitest';
import { commandsPage } from '../../src/cli/entry/commandsPage.ts';
import { TOPIC_PAGES } from '../../src/cli/entry/topics.ts';
import { filesBelow, textOf } from '../support/sources.ts';

interface Habit {
  readonly pattern: RegExp;
  /** What to write. */
  readonly instead: string;
}

const HABITS: readonly Habit[] = [
  { pattern: /\bbehind\b/gi, instead: 'after, following (of order in time or in a list)' },
  { pattern: /\b(?:broke|broken|breaks?|breaking) off\b/gi, instead: 'abort' },
  { pattern: /\b(?:lies?|lay) to\b/gi, instead: 'is ... from' },
  { pattern: /\b(?:that|which|what) (?:is|are) no (?!longer|more)/gi, instead: 'is not a' },
  { pattern: /\b(?:the|an|a) own\b/gi, instead: "this member's" },
  { pattern: /\b(?:for|to|of) who\b/gi, instead: 'callers that' },
  { pattern: /\b(?:somebody|nobody|everybody|whoever)\b/gi, instead: 'the worker that, no client' },
  { pattern: /\bshortly\b/gi, instead: 'briefly' },
  { pattern: /\b(?:done|steps|epochs|lines|characters) in all\b/gi, instead: 'total' },
  { pattern: /\bin turns?\b/gi, instead: 'alternately' },
  { pattern: /\b(?:dearer|dear|for ever|never not at all)\b/gi, instead: 'expensive, forever' },
  { pattern: /\bgo(?:es)? Winograd's way\b/gi, instead: 'use Winograd' },
  { pattern: /\bstands another contrast\b/gi, instead: 'is robust to contrast changes' },
  { pattern: /\bTrain for an answer\b/gi, instead: 'Run a controlled experiment' },
  { pattern: /^#+ (?:Words|Failing|What there is)$/gm, instead: 'Glossary, Errors, Features' },
  { pattern: /Small batches, seen|Read a ratio as/g, instead: 'Results; Ratios are' },
  { pattern: /\bdoes not care\b/gi, instead: 'is unaffected' },
  { pattern: /\ballowed is\b/gi, instead: 'expected ..., got ...' },
  { pattern: /\bimages of each replica\b/gi, instead: 'per-replica batch size' },
  {
    pattern: /\b(?:normalis|initialis|regularis|synchronis|optimis|standardis)\w*/gi,
    instead: 'US spelling: normalize, regularization',
  },
  {
    pattern: /\b(?:colours?|licence|behaviours?|neighbours?|centre)\b/gi,
    instead: 'US spelling: color, license, behavior',
  },
];

/** The part of the project that a file belongs to: a folder of src, or the first folder. */
function partOf(file: string): string {
  const [first, second] = file.split('/');
  return first === 'src' && second !== undefined ? `src/${second}` : first!;
}

/** The titles of a test file. */
function titlesOf(text: string): string {
  const titles = text.matchAll(/\b(?:it|describe)\b[^'"`\n]*(['"`])((?:(?!\1).)*)\1/g);
  return [...titles].map(([, , title]) => title!).join('\n');
}

function textsOf(): readonly {
  readonly part: string;
  readonly file: string;
  readonly text: string;
}[] {
  const folders = ['src', 'workers', 'examples', 'docs', 'test'].flatMap(filesBelow);
  const files = [...folders, 'README.md', 'ARCHITECTURE.md'];
  return files
    .filter((file) => /\.(?:ts|cts|mjs|md)$/.test(file) && file !== 'test/tidy/english.test.ts')
    .map((file) => {
      const text = textOf(file);
      return { part: partOf(file), file, text: file.startsWith('test/') ? titlesOf(text) : text };
    });
}

/** Where phrases are, as `file: phrase; instead`. */
function found(text: string, file: string): readonly string[] {
  return HABITS.flatMap(({ pattern, instead }) =>
    (text.match(pattern) ?? []).map((phrase) => `${file}: ${phrase}; write: ${instead}`),
  );
}

const texts = textsOf();
const parts = [...new Set(texts.map(({ part }) => part))];

describe('the phrases to avoid', () => {
  it.each(parts)('are nowhere in %s', (part) => {
    const own = texts.filter((text) => text.part === part);
    const all = own.flatMap(({ text, file }) => found(text, file));
    expect(all).toEqual([]);
  });

  it('are nowhere in the help', () => {
    const pages = [commandsPage(), ...Object.values(TOPIC_PAGES)].join('\n');
    expect(found(pages, 'help')).toEqual([]);
  });

  it('are found', () => {
    const bad = 'a relu behind a norm, whoever calls: the own slot is for ever in turns';
    expect(found(bad, 'x')).toHaveLength(5);
  });
});
