// A curve of bounded size for a run of any length: when it is full, neighbors are averaged, and
// each point then represents twice as many values. For drawing, it is thinned further in a way that
// preserves peaks.

import type { PlotPoint } from './plot.ts';

/** Default number of points of a curve, which a page can hold. */
const CAPACITY = 10_000;
/** The most points drawn: two per pixel of a plot's width show everything visible. */
const MOST_DRAWN = 1000;

export class Curve {
  private readonly capacity: number;
  private xs: number[] = [];
  private ys: number[] = [];
  /** Values per point. */
  private width = 1;
  private pendingSum = 0;
  private pendingCount = 0;
  private notFinite = 0;

  /** `capacity`: an even number of points. */
  constructor(capacity = CAPACITY) {
    this.capacity = capacity;
  }

  /** Adds a value; x must increase. A non-finite value is only counted. */
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

  /** Number of non-finite values. */
  get countNotFinite(): number {
    return this.notFinite;
  }

  get length(): number {
    return this.xs.length;
  }

  get largest(): number {
    return this.ys.reduce((most, y) => Math.max(most, y), Number.NEGATIVE_INFINITY);
  }

  /** At most `most` points to draw: the minimum and maximum of each interval. */
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
