// Shows thrown values. They may be anything, including huge values and ones that throw when
// inspected.

import { types } from 'node:util';
import { showValue } from './show.ts';

/** Longer texts are cut. Our longest messages, those about checkpoints, have half this length. */
export const MAX_TEXT_LENGTH = 8000;
/** A thrown value for a sentence: `TypeError: x is not a function`. */
export function showError(thrown: unknown): string {
  if (!isError(thrown)) return cutText(typeof thrown === 'string' ? thrown : showValue(thrown));
  const name = textOf(thrown, 'name');
  const message = textOf(thrown, 'message');
  return cutText(name === 'Error' ? message : `${name}: ${message}`);
}

/** Cuts a text to a readable length. */
export function cutText(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return text;
  return `${text.slice(0, MAX_TEXT_LENGTH)} ... (cut, ${text.length} characters)`;
}

/** Whether a value is an error of this thread or of another realm, such as a vm context. */
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

/** The message of a thrown value, without its class. */
export function messageOf(thrown: unknown): string {
  return isError(thrown) ? textOf(thrown, 'message') : String(thrown);
}
