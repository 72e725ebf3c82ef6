// What a report shows of a run: settings, curves of bounded size, the last snapshots, and how it
// ended. Collects data as the run reports it; draws nothing.

import type { Diagnostics } from '../observe/diagnostics.ts';
import type { GradientNorms } from '../observe/gradientNorms.ts';
import type { ConfusionMatrix } from '../observe/metric.ts';
import type { Progress } from '../runtime/progress.ts';
import { Curve } from './curve.ts';
import type { MaskPictures } from './maskPictures.ts';
import { RecentMeans } from './recentMeans.ts';

/** Facts that are known when a run begins. */
export interface RunFacts {
  readonly title: string;
  readonly command: string;
  /** Names and values, in display order. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  /** Samples of a full step. */
  readonly globalBatch: number;
}

/** The squares of a larger confusion matrix would have only a few pixels. */
export const MOST_DRAWN_CLASSES = 100;

/** The state of a run, or how it ended. */
export type RunState =
  | { readonly kind: 'running' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly message: string }
  | {
      readonly kind: 'done';
      readonly testLoss: number | null;
      readonly testAccuracy: number | null;
      /** If targets are masks. */
      readonly testMeanIou?: number;
      /** For the test samples or pixels; absent without classes, or if there are too many to
       * draw. */
      readonly confusion?: ConfusionMatrix;
      /** Some of the test samples, if targets are masks. */
      readonly masks?: MaskPictures;
    };

/** Shorter intervals contain so few steps that the count of steps dominates the speed. */
const SPEED_SECONDS = 1;
/** Curves that exist for each layer are shorter. */
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
  /** The last validation, and the best epoch at that time. */
  validation: Progress['validation'];
  best: Progress['best'];
  diagnostics: Diagnostics | undefined;
  gradientNorms: GradientNorms | undefined;
  private readonly recent = new RecentMeans();
  private speedAt: { readonly step: number; readonly seconds: number } | undefined;

  constructor(facts: RunFacts) {
    this.facts = facts;
  }

  /** Adds a progress of the run, which has trained for this many seconds. */
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

  /** Adds the last snapshot step, unless it was added before. */
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

  private addMeans(progress: Progress): void {
    const means = this.recent.take(progress);
    if (means === undefined) return;
    this.loss.add(progress.step, means.loss);
    if (!Number.isNaN(means.accuracy)) this.accuracy.add(progress.step, means.accuracy);
  }

  private addSpeed(step: number, seconds: number): void {
    // Steps before the first progress may come from an earlier run.
    if (this.speedAt === undefined) this.speedAt = { step, seconds };
    const steps = step - this.speedAt.step;
    const time = seconds - this.speedAt.seconds;
    if (time < SPEED_SECONDS) return;
    this.speedAt = { step, seconds };
    this.imagesPerSecond.add(step, (steps * this.facts.globalBatch) / time);
  }
}
