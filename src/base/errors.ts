// The errors of the library, each built from data in one place. UsageError: the caller can fix it.
// InvariantError: our bug. RunError: a run failed while it ran.

import { showValue } from './show.ts';

/** The details of a {@link UsageError}: a value that is not allowed, or a sentence. */
export type UsageDetails = RefusedValue | RefusedCall;

/** A value that is not allowed. */
export interface RefusedValue {
  /** The name of what was wrong, e.g. `--replicas`. */
  readonly what: string;
  /** The value that was given. */
  readonly given: unknown;
  /** A description of the allowed values. */
  readonly allowed: string;
  /** What to try instead. */
  readonly hint?: string;
}

/** A problem without a value to show: `--watch-host requires --watch.` */
export interface RefusedCall {
  /** The subject of the sentence, e.g. `--watch-host`. */
  readonly what: string;
  /** The rest of the sentence, without its period: `requires --watch`. */
  readonly problem: string;
  /** What to try instead. */
  readonly hint?: string;
}

/** The caller asked for something that cannot be done, and can ask for something else. */
export class UsageError extends Error {
  /** The name of the class. */
  override readonly name = 'UsageError';
  /** The details that the message is made from. */
  readonly details: UsageDetails;

  constructor(details: UsageDetails) {
    const hint = details.hint === undefined ? '' : ` Try: ${details.hint}.`;
    super(`${sentenceOf(details)}.${hint}`);
    this.details = details;
  }
}

function sentenceOf(details: UsageDetails): string {
  if ('problem' in details) return `${details.what} ${details.problem}`;
  return `${details.what}: expected ${details.allowed}, got ${showValue(details.given)}`;
}

/** A broken guarantee of the library: a bug in it, never the caller's fault. */
export class InvariantError extends Error {
  /** The name of the class. */
  override readonly name = 'InvariantError';

  constructor(what: string, found: unknown, expected: unknown) {
    const sides = `found ${showValue(found)}, expected ${showValue(expected)}`;
    super(`${what}: ${sides}. This is a bug in syncbn.`);
  }
}

/** Where and why a run failed; unknown fields are absent. */
export interface RunFailure {
  /** What happened, as a sentence. */
  readonly reason: string;
  /** The rank of the worker that failed or was waiting. */
  readonly rank?: number;
  /** The other process that caused the failure, if one did. */
  readonly process?: number;
  /** The optimizer step, from 0. */
  readonly step?: number;
  /** The layer's path, such as `3.conv2d`. */
  readonly layer?: string;
  /** The call in which it failed, for jobs and collectives. */
  readonly collective?: string;
  /** Ranks that had not arrived. */
  readonly missing?: readonly number[];
  /** What each of the other ranks was doing, the missing ones first. */
  readonly doing?: readonly string[];
  /** The learning rate of the step, if its numbers were not finite. */
  readonly learningRate?: number;
  /** The gradient norm of the step, over all parameters and before clipping. */
  readonly gradientNorm?: number;
  /** What to try. */
  readonly hint?: string;
}

/** A run was aborted: a worker threw, died or was late, or its numbers were no longer finite. The
 * message says where. */
export class RunError extends Error {
  /** The name of the class. */
  override readonly name = 'RunError';
  /** Where and why the run failed, as data. */
  readonly failure: RunFailure;

  constructor(failure: RunFailure, options?: ErrorOptions) {
    const { reason, rank, step, layer, collective, missing, doing, hint } = failure;
    const where = [
      rank === undefined ? '' : `rank ${rank}`,
      step === undefined ? '' : `step ${step}`,
      layer === undefined ? '' : `layer ${layer}`,
      collective === undefined ? '' : `in ${collective}`,
    ].filter((part) => part !== '');
    const late = missing?.length ? ` Not arrived: rank ${missing.join(', ')}.` : '';
    const others = doing?.length ? ` Meanwhile ${doing.join('; ')}.` : '';
    const measured = [
      failure.learningRate === undefined ? '' : `learning rate ${failure.learningRate}`,
      failure.gradientNorm === undefined ? '' : `gradient norm ${failure.gradientNorm}`,
    ].filter((part) => part !== '');
    const rates = measured.length > 0 ? ` Measured: ${measured.join(', ')}.` : '';
    const tries = hint === undefined ? '' : ` Try: ${hint}.`;
    const place = where.length > 0 ? `${where.join(', ')}: ` : '';
    super(`${place}${reason}${rates}${late}${others}${tries}`, options);
    this.failure = failure;
  }
}

/** Throws an {@link InvariantError} unless the two are the same. */
export function assertSame(what: string, found: unknown, expected: unknown): void {
  if (!Object.is(found, expected)) throw new InvariantError(what, found, expected);
}

/** The default maximum of whole numbers: the largest that fits an int32. */
export const MAX_WHOLE = 2 ** 31 - 1;

/** Checks that a value is a whole number within [min, max]. Throws a {@link UsageError} that shows
 * the value. */
export function checkInteger(
  what: string,
  value: unknown,
  min: number,
  max: number = MAX_WHOLE,
): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  throw new UsageError({ what, given: value, allowed: `a whole number from ${min} to ${max}` });
}
