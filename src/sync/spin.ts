// How often a member looks before it sleeps, by what came of it lately.

/** After so many waits in a row that spinning did not end, the others seem to have no core of their
 * own, or much to do: from then on only each SPIN_PROBE-th wait spins fully, to notice when that
 * has changed. Two members that a busy machine had put on one core took 137 us a barrier when each
 * spun to the end, and 15 us so (2-core x86 machine, Node 20, November 2026). */
const SPIN_MISSES = 4;
const SPIN_PROBE = 32;
/** Part of the turns that the waits between get. */
const SPIN_SHARE = 32;

/** The habits of one member. */
export class Spin {
  private readonly fullTurns: number;
  /** Waits in a row that spinning did not end. */
  private misses = 0;

  constructor(fullTurns: number) {
    this.fullTurns = fullTurns;
  }

  /** How often to look in the next wait; 0 where members do not spin. */
  get turns(): number {
    const isShort = this.misses >= SPIN_MISSES && this.misses % SPIN_PROBE !== 0;
    return isShort ? Math.ceil(this.fullTurns / SPIN_SHARE) : this.fullTurns;
  }

  /** The last wait was over before it came to sleep. */
  hit(): void {
    this.misses = 0;
  }

  /** The last wait came to sleep. */
  miss(): void {
    this.misses = (this.misses + 1) | 0;
  }
}
