// Thrown values for people. They may be anything, also something that throws when it is looked at,
// or huge.

import { types } from 'node:util';
import { showValue } from './show.ts';

/** A longer text is cut. Our own longest messages, those of checkpoints, have half as much. */
export const MAX_TEXT_LENGTH = 8000;
/** A thrown value for a sentence: `TypeError: x is not a function`. */
export function showError(thrown: unknown): string {
  if (!isError(thrown)) return cutText(typeof thrown === 'string' ? thrown : showValue(thrown));
  const name = textOf(thrown, 'name');
  const message = textOf(thrown, 'message');
  return cutText(name === 'Error' ? message : `${name}: ${message}`);
}

/** A text that a person can read: the beginning of a huge one. */
export function cutText(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return text;
  return `${text.slice(0, MAX_TEXT_LENGTH)} ... (cut, ${text.length} characters)`;
}

/** Errors of this thread, and those of another realm, such as a vm context. */
export function isError(value: unknown): value is Error {
  try {
    return types.isNativeError(value) || value instanceof Error;
  } catch {
    return false;
  }
}

/** A field of an error; a getter may throw. */
export function fieldOf(error: Error, key: 'name' | 'message' | 'stack' | 'cause'): unknown {
  try {
    return error[key];
  } catch {
    return undefined;
  }
}

/** The name or message of an error. */
export function textOf(error: Error, key: 'name' | 'message'): string {
  const value = fieldOf(error, key);
  if (typeof value === 'string') return value;
  return value === undefined ? `an error without a ${key}` : showValue(value);
}

/** What a thrown value says, without its class. */
export function messageOf(thrown: unknown): string {
  return isError(thrown) ? textOf(thrown, 'message') : String(thrown);
}
