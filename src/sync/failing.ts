// The errors of one member: its call, the ranks that have not arrived, and what the others were
// doing.

import { RunError, type RunFailure } from '../base/errors.ts';
import { abortRun, MAIN_RANK, readAbort } from './abort.ts';
import { describeRanks } from './blame.ts';
import { type ControlWords, readPosition } from './words.ts';

/** A member at a call. */
interface Where {
  readonly collective: string;
  /** World ranks of the members that have not arrived at the call. */
  readonly late: readonly number[];
}

export class Failing {
  private readonly world: ControlWords;
  private readonly described: readonly number[];
  private readonly rank: number;
  private readonly layerNames: readonly string[];

  /** `described` are the world ranks of the group's members that errors describe, `rank` is that of
   * this member. */
  constructor(
    world: ControlWords,
    described: readonly number[],
    rank: number,
    layerNames: readonly string[],
  ) {
    this.world = world;
    this.described = described;
    this.rank = rank;
    this.layerNames = layerNames;
  }

  /** Aborts the run for every member and returns the error to throw; `process` is the other process
   * that caused it, if any. */
  fail(reason: string, where: Where, process?: number): RunError {
    const failure = {
      ...this.failure(reason, where),
      ...(process !== undefined && { process }),
    };
    const { collective = '', missing = [], doing = [] } = failure;
    const { message } = new RunError({ reason, collective, missing, doing });
    abortRun(this.world, this.rank, message);
    return new RunError(failure);
  }

  /** The error of a member if another one has aborted the run. */
  aborted(where: Where): RunError {
    const abort = readAbort(this.world);
    if (abort === undefined) {
      return new RunError(this.failure('the run was aborted.', { ...where, late: [] }));
    }
    const who = abort.rank === MAIN_RANK ? 'the main thread' : `rank ${abort.rank}`;
    const at = [
      abort.step === undefined ? '' : ` in step ${abort.step}`,
      abort.layerId === undefined ? '' : `, layer ${this.layerName(abort.layerId)}`,
    ].join('');
    return new RunError(this.failure(`${who} aborted the run${at}: ${abort.reason}`, where));
  }

  private failure(reason: string, { collective, late }: Where): RunFailure {
    const { step, layerId } = readPosition(this.world, this.rank);
    const others = this.described.filter((other) => other !== this.rank);
    return {
      reason,
      rank: this.rank,
      ...(step !== undefined && { step }),
      ...(layerId !== undefined && { layer: this.layerName(layerId) }),
      collective,
      ...(late.length > 0 && {
        missing: late,
        doing: describeRanks(this.world, others, late),
      }),
    };
  }

  private layerName(layerId: number): string {
    return this.layerNames[layerId] ?? `#${layerId}`;
  }
}
