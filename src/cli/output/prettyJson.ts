// JSON for people: lists of numbers are on one line, and so is everything that fits, such as layers
// with few fields.

const MAX_COLUMNS = 80;
const INDENT = 2;

/** Plain data as JSON, in lines of 80 columns unless strings or lists of numbers are longer. */
export function prettyJson(value: unknown): string {
  return linesOf(value, 0, 0);
}

/** `indent` is that of the value's last line, `before` the length of the text before its first
 * one. */
function linesOf(value: unknown, indent: number, before: number): string {
  const line = onOneLine(value);
  const isShort = before + line.length < MAX_COLUMNS || isNumbers(value);
  if (typeof value !== 'object' || value === null || isShort) return line;
  const inner = indent + INDENT;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const items = Array.isArray(value)
    ? value.map((item) => linesOf(item, inner, inner))
    : Object.entries(value).map(([name, item]) => {
        const head = `${JSON.stringify(name)}: `;
        return `${head}${linesOf(item, inner, inner + head.length)}`;
      });
  const pad = ' '.repeat(inner);
  return `${open}\n${pad}${items.join(`,\n${pad}`)}\n${' '.repeat(indent)}${close}`;
}

function isNumbers(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

function onOneLine(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(onOneLine).join(', ')}]`;
  const fields = Object.entries(value).map(([name, item]) => {
    return `${JSON.stringify(name)}: ${onOneLine(item)}`;
  });
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}
