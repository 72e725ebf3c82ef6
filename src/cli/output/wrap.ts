// Prose for a terminal: lines are broken between words, and go on below where their text began.

/** Marks of colors take no room; see text.ts. */
const MARKS = /[\ufdd0-\ufddf]/g;
/** Indentation, the dash of a list, or a flag of a help text with the room after it. */
const HEAD = /^\s*(?:- |\S.*?\s{2,})?/;
/** Text beside a head that is wider than this share of the line would be a thin column. */
const MOST_HEAD = 0.5;
const THIN_INDENT = 4;

/** The text in lines of at most so many columns, as far as its words allow. */
export function wrapped(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => (widthOf(line) <= columns ? line : wrapLine(line, columns)))
    .join('\n');
}

/** Paragraphs as one line each: lines that are not indented follow each other until a blank one. */
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
