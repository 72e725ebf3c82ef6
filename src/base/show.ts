// Shows values in errors: always short, and never throwing.

/** The maximum characters of a value in an error; the value may be a whole file. */
const MAX_TEXT = 300;
/** The maximum items of a list, or fields of an object, and of nested ones. */
const MAX_ITEMS = 150;
const MAX_INNER_ITEMS = 12;
/** The maximum levels of lists and objects. */
const MAX_DEPTH = 4;

/** A value on one line: strings quoted, typed arrays and instances by their kind, long values
 * cut. */
export function showValue(value: unknown): string {
  try {
    return cut(shown(value, 0));
  } catch {
    // A getter or proxy of the caller threw, so nothing more can be said about the value.
    return 'a value that cannot be read';
  }
}

function shown(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(cut(value));
    case 'function':
      return value.name === '' ? 'a function' : `the function ${value.name}`;
    case 'bigint':
      return `${value}n`;
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'object':
      return value === null ? 'null' : shownObject(value, depth);
    default:
      return String(value);
  }
}

function shownObject(value: object, depth: number): string {
  if (ArrayBuffer.isView(value)) return `${kindOf(value)} of ${value.byteLength} bytes`;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof URL) return value.href;
  const room = depth === 0 ? MAX_ITEMS : MAX_INNER_ITEMS;
  if (Array.isArray(value)) {
    if (depth >= MAX_DEPTH) return '[...]';
    const items = Array.from(value.slice(0, room), (item) => shown(item, depth + 1));
    return `[${items.join(', ')}${value.length > room ? ', ...' : ''}]`;
  }
  const tag = kindOf(value);
  if (tag !== 'Object') return `a ${tag}`;
  if (depth >= MAX_DEPTH) return '{...}';
  const keys = Object.keys(value);
  const entries = keys.slice(0, room).map((key) => {
    return `${JSON.stringify(key)}:${shown((value as Record<string, unknown>)[key], depth + 1)}`;
  });
  return `{${entries.join(',')}${keys.length > room ? ',...' : ''}}`;
}

/** `Object`, `Map`, or the name of an instance's class. */
function kindOf(value: object): string {
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (tag !== 'Object') return tag;
  const prototype = Object.getPrototypeOf(value);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isPlain ? tag : String(prototype.constructor?.name || tag);
}

function cut(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}...`;
}

const LISTED = 3;

/** Lists the first few names, and says how many more there are. */
export function listed(names: readonly string[]): string {
  const rest = names.length - LISTED;
  return `${names.slice(0, LISTED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
