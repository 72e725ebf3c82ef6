// A curve of bounded size however long a run is: when it is full, neighbors are averaged and each
// point stands for twice as many values from then on. For drawing it is thinned further, so that
// peaks stay.

import type { PlotPoint } from './plot.ts';

/** Points of a curve by default; what a page can be asked to hold. */
const CAPACITY = 10_000;
/** Points that are drawn: two for each pixel of a plot's width show all that can be seen. */
const MOST_DRAWN = 1000;

export class Curve {
  private readonly capacity: number;
  private xs: number[] = [];
  private ys: number[] = [];
  /** Values that one point stands for. */
  private width = 1;
  private pendingSum = 0;
  private pendingCount = 0;
  private notFinite = 0;

  /** `capacity`: an even number of points. */
  constructor(capacity = CAPACITY) {
    this.capacity = capacity;
  }

  /** Adds a value; x has to rise. A value that is not finite is only counted. */
  add(x: number, y: number): void {
    if (!Number.isFinite(y)) {
      this.notFinite++;
      return;
    }
    this.pendingSum += y;
    this.pendingCount++;
    if (this.pendingCount < this.width) return;
    this.xs.push(x);
    this.ys.push(this.pendingSum / this.pendingCount);
    this.pendingSum = 0;
    this.pendingCount = 0;
    if (this.xs.length === this.capacity) this.halve();
  }

  /** Values that were not finite. */
  get countNotFinite(): number {
    return this.notFinite;
  }

  get length(): number {
    return this.xs.length;
  }

  get largest(): number {
    return this.ys.reduce((most, y) => Math.max(most, y), Number.NEGATIVE_INFINITY);
  }

  /** At most `most` points to draw: of each stretch the least and the largest. */
  points(most = MOST_DRAWN): PlotPoint[] {
    const { xs, ys } = this;
    if (xs.length <= most) return xs.map((x, i) => ({ x, y: ys[i]! }));
    const stretches = Math.floor(most / 2);
    return Array.from({ length: stretches }, (_, stretch) => {
      const from = Math.floor((stretch * xs.length) / stretches);
      const to = Math.floor(((stretch + 1) * xs.length) / stretches);
      let [low, high] = [from, from];
      for (let i = from; i < to; i++) {
        if (ys[i]! < ys[low]!) low = i;
        if (ys[i]! > ys[high]!) high = i;
      }
      const ends = low === high ? [low] : [Math.min(low, high), Math.max(low, high)];
      return ends.map((i) => ({ x: xs[i]!, y: ys[i]! }));
    }).flat();
  }

  private halve(): void {
    const { xs, ys } = this;
    const half = xs.length / 2;
    this.xs = Array.from({ length: half }, (_, i) => xs[2 * i + 1]!);
    this.ys = Array.from({ length: half }, (_, i) => (ys[2 * i]! + ys[2 * i + 1]!) / 2);
    this.width *= 2;
  }
}
