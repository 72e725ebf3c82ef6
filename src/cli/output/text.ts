// Decides which text may reach a terminal. Names and messages come from files of unknown origin, so
// their control characters and escape sequences are escaped, and text that is too long to read is
// cut. Colors are marks in the text until it is shown.

import { styleText } from 'node:util';
import { wrapped } from './wrap.ts';

/** The available colors. Their marks are Unicode noncharacters, which do not occur in text. */
const STYLES = ['bold', 'green', 'red', 'yellow'] as const;
type Style = (typeof STYLES)[number];
const FIRST_MARK = 0xfdd0;
const END_MARK = '\ufddf';

/** Longer lines are cut; --debug shows the whole text. */
const MAX_LINE = 2000;
/** Longer texts are cut, too. */
const MAX_LINES = 400;

/** C0 and C1 controls except line feeds, line separators, and characters that change the text
 * direction. */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text in a color, if colors are shown. */
export function paint(style: Style, text: string): string {
  return `${String.fromCharCode(FIRST_MARK + STYLES.indexOf(style))}${text}${END_MARK}`;
}

/** Text that is safe for a terminal, in lines of this many columns. */
export function shown(
  text: string,
  isColored: boolean,
  columns = Number.POSITIVE_INFINITY,
): string {
  return withColors(wrapped(cut(spellOut(text)), columns), isColored);
}

/** The same on one line, so that a name from a file cannot look like a separate line of output. */
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

/** Tabs become readable; all other unsafe characters become their codes, as in JSON. */
export function spellOut(text: string): string {
  return text.replace(UNSAFE, (char) =>
    char === '\t' ? '  ' : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function withColors(text: string, isColored: boolean): string {
  return text.replace(/([\ufdd0-\ufdd3])([^\ufddf]*)\ufddf|[\ufdd0-\ufddf]/g, (_, mark, inner) => {
    if (mark === undefined) return '';
    const style = STYLES[mark.charCodeAt(0) - FIRST_MARK]!;
    // The caller has checked the terminal; here, the user's wish for colors decides.
    return isColored ? styleText(style, inner, { validateStream: false }) : inner;
  });
}
