// What a run's gang is doing: one thing at a time. A fit lasts from its first step to its last, but
// occupies the gang only while its steps or validations run. Between two epochs, the gang is free.

import { UsageError } from '../base/errors.ts';

export class Occupation {
  private readonly onFree: () => void;
  /** Undefined when the gang is free. */
  private busy: string | undefined;
  private isFitting = false;
  private waiting: (() => void)[] = [];

  /** `onFree` is called whenever the gang becomes free, and may enter it. */
  constructor(onFree: () => void) {
    this.onFree = onFree;
  }

  /** What the gang is doing. */
  get what(): string | undefined {
    return this.busy;
  }

  /** Throws a {@link UsageError} unless the gang is free. */
  enter(what: string): void {
    if (!this.tryEnter(what)) throw occupied(what, this.busy!);
  }

  tryEnter(what: string): boolean {
    if (this.busy !== undefined) return false;
    this.busy = what;
    return true;
  }

  leave(): void {
    this.busy = undefined;
    this.onFree();
    for (const go of this.waiting.splice(0)) go();
  }

  async exclusively<T>(what: string, run: () => Promise<T>): Promise<T> {
    this.enter(what);
    try {
      return await run();
    } finally {
      this.leave();
    }
  }

  /** Begins a fit, which occupies the gang. Throws if another fit has begun. */
  enterFit(): void {
    if (this.isFitting) throw occupied('fit', 'fit');
    this.enter('fit');
    this.isFitting = true;
  }

  /** Frees the gang between two epochs. */
  pauseFit(): void {
    this.leave();
  }

  /** Resumes the fit once calls that began in the meantime have finished. */
  async resumeFit(): Promise<void> {
    while (!this.tryEnter('fit')) await new Promise<void>((go) => this.waiting.push(go));
  }

  leaveFit(): void {
    this.isFitting = false;
    if (this.busy === 'fit') this.leave();
  }
}

function occupied(what: string, busy: string): UsageError {
  return new UsageError({
    what: `${what}() of a trainer`,
    given: `a call while ${busy}() runs`,
    allowed: 'one call at a time',
    hint: 'await the other call, or leave its loop, first',
  });
}
