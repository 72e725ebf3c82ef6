// The one place that decides what text may reach a terminal. Names and messages come from files
// of unknown origin: control characters and escape sequences in them are spelled out, and
// what is too long to read is cut. Colors are marks in the text until it is shown.

import { styleText } from 'node:util';
import { wrapped } from './wrap.ts';

/** Colors in use. Their marks are Unicode noncharacters, which no text interchanges. */
const STYLES = ['bold', 'green', 'red', 'yellow'] as const;
type Style = (typeof STYLES)[number];
const FIRST_MARK = 0xfdd0;
const END_MARK = '\ufddf';

/** Longer lines are cut; with --debug the whole text is there. */
const MAX_LINE = 2000;
/** More lines of one text than this are cut, too. */
const MAX_LINES = 400;

/** C0 and C1 controls but for the end of a line, line separators, and what turns text around. */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text in a color, where colors are seen. */
export function paint(style: Style, text: string): string {
  return `${String.fromCharCode(FIRST_MARK + STYLES.indexOf(style))}${text}${END_MARK}`;
}

/** Text as a terminal may have it, in lines of so many columns. */
export function shown(
  text: string,
  isColored: boolean,
  columns = Number.POSITIVE_INFINITY,
): string {
  return withColors(wrapped(cut(spellOut(text)), columns), isColored);
}

/** The same on one line: a name that comes from a file must not look like another line of ours. */
export function oneLine(text: string): string {
  return spellOut(text).replaceAll('\n', '\\n');
}

/** A message of bounded length. */
export function cut(text: string): string {
  const lines = text.split('\n');
  const kept = lines.slice(0, MAX_LINES).map(cutLine);
  const left = lines.length - kept.length;
  return [...kept, ...(left > 0 ? [`... (${left} more lines)`] : [])].join('\n');
}

function cutLine(line: string): string {
  if (line.length <= MAX_LINE) return line;
  return `${line.slice(0, MAX_LINE)}... (${line.length} characters)`;
}

/** Tabs stay readable; all else that is unsafe becomes its code, as JSON writes it. */
export function spellOut(text: string): string {
  return text.replace(UNSAFE, (char) =>
    char === '\t' ? '  ' : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function withColors(text: string, isColored: boolean): string {
  return text.replace(/([\ufdd0-\ufdd3])([^\ufddf]*)\ufddf|[\ufdd0-\ufddf]/g, (_, mark, inner) => {
    if (mark === undefined) return '';
    const style = STYLES[mark.charCodeAt(0) - FIRST_MARK]!;
    // Whether colors are wanted is decided here; the terminal is asked by the caller.
    return isColored ? styleText(style, inner, { validateStream: false }) : inner;
  });
}
