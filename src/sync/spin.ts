// How often a member looks before it sleeps, adapted to recent results.

/** After this many consecutive waits that spinning did not end, the others seem to lack their own
 * core, or to be busy. From then on only every SPIN_PROBE-th wait spins fully, to notice when that
 * changes. Two members that a busy machine had put on one core took 137 us per barrier if each
 * spun to the end, and 15 us this way (2-core x86 machine, Node 20, November 2026). */
const SPIN_MISSES = 4;
const SPIN_PROBE = 32;
/** The waits in between get this fraction of the turns. */
const SPIN_SHARE = 32;

/** The spinning behavior of one member. */
export class Spin {
  private readonly fullTurns: number;
  /** Consecutive waits that spinning did not end. */
  private misses = 0;

  constructor(fullTurns: number) {
    this.fullTurns = fullTurns;
  }

  /** How often to look in the next wait; 0 if members do not spin. */
  get turns(): number {
    const isShort = this.misses >= SPIN_MISSES && this.misses % SPIN_PROBE !== 0;
    return isShort ? Math.ceil(this.fullTurns / SPIN_SHARE) : this.fullTurns;
  }

  /** Records that the last wait ended before sleeping. */
  hit(): void {
    this.misses = 0;
  }

  /** Records that the last wait slept. */
  miss(): void {
    this.misses = (this.misses + 1) | 0;
  }
}
