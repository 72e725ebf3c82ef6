// What a report knows of a run: settings, curves of bounded size, the last snapshots, how it ended.
// Takes what the run tells as it comes; draws nothing.

import type { Diagnostics } from '../observe/diagnostics.ts';
import type { GradientNorms } from '../observe/gradientNorms.ts';
import type { ConfusionMatrix } from '../observe/metric.ts';
import type { Progress } from '../runtime/progress.ts';
import { Curve } from './curve.ts';
import type { MaskPictures } from './maskPictures.ts';

/** What is known when a run begins. */
export interface RunFacts {
  readonly title: string;
  readonly command: string;
  /** Names and values, in the order in which they are shown. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  /** Samples of a full step. */
  readonly globalBatch: number;
}

/** A confusion matrix of more classes would have squares of a few pixels. */
export const MOST_DRAWN_CLASSES = 100;

/** How a run is, or how it ended. */
export type RunState =
  | { readonly kind: 'running' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly message: string }
  | {
      readonly kind: 'done';
      readonly testLoss: number | null;
      readonly testAccuracy: number | null;
      /** Where targets are masks. */
      readonly testMeanIou?: number;
      /** Of the test samples or pixels; absent where there are no classes, or too many to draw. */
      readonly confusion?: ConfusionMatrix;
      /** Some of the test samples, where targets are masks. */
      readonly masks?: MaskPictures;
    };

/** A float64 has 16 digits. */
const LARGEST_MEAN = 1e10;
/** Shorter stretches hold so few steps that their number decides the speed. */
const SPEED_SECONDS = 1;
/** Curves that come in numbers of layers are shorter. */
const LAYER_POINTS = 2000;

export interface LayerCurves {
  readonly meanShift: Curve;
  readonly varianceFactor: Curve;
}

export class RunHistory {
  readonly facts: RunFacts;
  readonly loss = new Curve();
  readonly accuracy = new Curve();
  readonly validationLoss = new Curve();
  readonly validationAccuracy = new Curve();
  readonly validationMeanIou = new Curve();
  readonly imagesPerSecond = new Curve();
  readonly learningRate = new Curve();
  readonly layers = new Map<string, LayerCurves>();
  readonly gradients = new Map<string, Curve>();
  state: RunState = { kind: 'running' };
  progress: Progress | undefined;
  /** The last one, and the best epoch then. */
  validation: Progress['validation'];
  best: Progress['best'];
  diagnostics: Diagnostics | undefined;
  gradientNorms: GradientNorms | undefined;
  /** Where the last point of loss and accuracy ended: in which epoch, and what had summed up. */
  private epoch = 0;
  private samples = 0;
  private lossSum = 0;
  private correctSum = 0;
  private speedAt: { readonly step: number; readonly seconds: number } | undefined;

  constructor(facts: RunFacts) {
    this.facts = facts;
  }

  /** Takes a look at the run, which has trained for so many seconds. */
  addProgress(progress: Progress, seconds: number): void {
    this.progress = progress;
    this.addMeans(progress);
    this.addSpeed(progress.step, seconds);
    this.learningRate.add(progress.step, progress.learningRate);
    const { validation, step } = progress;
    if (validation === undefined) return;
    this.validation = validation;
    this.best = progress.best;
    this.validationLoss.add(step, validation.loss);
    const { accuracy, meanIou } = validation;
    if (!Number.isNaN(accuracy)) this.validationAccuracy.add(step, accuracy);
    if (!Number.isNaN(meanIou)) this.validationMeanIou.add(step, meanIou);
  }

  /** Takes the last snapshot step; one that is known already is passed over. */
  addSnapshot(diagnostics: Diagnostics | undefined, norms: GradientNorms | undefined): void {
    if (diagnostics !== undefined && diagnostics.step !== this.diagnostics?.step) {
      this.diagnostics = diagnostics;
      for (const { path, worst } of diagnostics.layers) {
        const { meanShift, varianceFactor } = this.curvesOf(path);
        meanShift.add(diagnostics.step, worst.meanShift);
        varianceFactor.add(diagnostics.step, worst.varianceFactor);
      }
    }
    if (norms !== undefined && norms.step !== this.gradientNorms?.step) {
      this.gradientNorms = norms;
      for (const { name, norm } of norms.tensors) {
        const curve = this.gradients.get(name) ?? new Curve(LAYER_POINTS);
        this.gradients.set(name, curve);
        curve.add(norms.step, norm);
      }
    }
  }

  private curvesOf(path: string): LayerCurves {
    const curves = this.layers.get(path) ?? {
      meanShift: new Curve(LAYER_POINTS),
      varianceFactor: new Curve(LAYER_POINTS),
    };
    this.layers.set(path, curves);
    return curves;
  }

  /** A progress has means over its epoch so far; a point is the mean since the last one. */
  private addMeans({ epoch, step, samples, loss, accuracy }: Progress): void {
    if (epoch !== this.epoch) {
      this.epoch = epoch;
      this.samples = 0;
      this.lossSum = 0;
      this.correctSum = 0;
    }
    const fresh = samples - this.samples;
    if (fresh <= 0) return;
    // After a mean as large as this, what later steps add to its sum is lost in rounding.
    const isLost = this.lossSum > LARGEST_MEAN * samples;
    this.loss.add(step, isLost ? Number.NaN : (loss * samples - this.lossSum) / fresh);
    if (!Number.isNaN(accuracy)) {
      this.accuracy.add(step, (accuracy * samples - this.correctSum) / fresh);
    }
    this.samples = samples;
    this.lossSum = loss * samples;
    this.correctSum = accuracy * samples;
  }

  private addSpeed(step: number, seconds: number): void {
    // Steps before the first look may have been done by an earlier run.
    if (this.speedAt === undefined) this.speedAt = { step, seconds };
    const steps = step - this.speedAt.step;
    const time = seconds - this.speedAt.seconds;
    if (time < SPEED_SECONDS) return;
    this.speedAt = { step, seconds };
    this.imagesPerSecond.add(step, (steps * this.facts.globalBatch) / time);
  }
}
