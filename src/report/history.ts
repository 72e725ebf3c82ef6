// What a report knows of a run: settings, curves of bounded size, the last snapshots, how it ended.
// Takes what the run tells as it comes; draws nothing.

import type { Diagnostics } from '../observe/diagnostics.ts';
import type { GradientNorms } from '../observe/gradientNorms.ts';
import type { ConfusionMatrix } from '../observe/metric.ts';
import type { Progress } from '../runtime/progress.ts';
import { Curve } from './curve.ts';
import type { MaskPictures } from './maskPictures.ts';
import { RecentMeans } from './recentMeans.ts';

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
  private readonly recent = new RecentMeans();
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

  private addMeans(progress: Progress): void {
    const means = this.recent.take(progress);
    if (means === undefined) return;
    this.loss.add(progress.step, means.loss);
    if (!Number.isNaN(means.accuracy)) this.accuracy.add(progress.step, means.accuracy);
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
