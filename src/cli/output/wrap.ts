// Wraps prose for a terminal: breaks lines between words, and indents continuation lines to the
// start of their text.

/** Color marks have no width; see text.ts. */
const MARKS = /[\ufdd0-\ufddf]/g;
/** Indentation, the dash of a list, or a flag in a help text with the space after it. */
const HEAD = /^\s*(?:- |\S.*?\s{2,})?/;
/** Text beside a head that takes more than this fraction of the line would be too narrow. */
const MOST_HEAD = 0.5;
const THIN_INDENT = 4;

/** The text in lines of at most this many columns, unless a word is longer. */
export function wrapped(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => (widthOf(line) <= columns ? line : wrapLine(line, columns)))
    .join('\n');
}

/** Joins each paragraph to one line: a paragraph is a run of lines without indentation. */
export function joinParagraphs(text: string): string {
  return text.replace(/(?<=^\S.*)\n(?=\S)/gm, ' ');
}

function widthOf(text: string): number {
  return text.replace(MARKS, '').length;
}

function wrapLine(line: string, columns: number): string {
  const [head] = HEAD.exec(line)!;
  const hang = widthOf(head) <= columns * MOST_HEAD ? widthOf(head) : THIN_INDENT;
  const lines: string[] = [];
  let current = head;
  let isEmpty = true;
  for (const word of line.slice(head.length).split(' ')) {
    if (!isEmpty && widthOf(current) + 1 + widthOf(word) > columns) {
      lines.push(current);
      current = ' '.repeat(hang);
      isEmpty = true;
    }
    current += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, current].join('\n');
}
