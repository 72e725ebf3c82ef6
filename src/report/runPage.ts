// The page of a training run: its state or end, curves, how far the shards' statistics differ,
// gradient norms, settings. The same page is written to a file and served during the run.

import type { LayerDiagnostics } from '../observe/diagnostics.ts';
import type { Curve } from './curve.ts';
import type { RunHistory } from './history.ts';
import { picturesBlock } from './maskPictures.ts';
import { matrixPlot } from './matrixPlot.ts';
import { type Block, type Figure, type Page, renderSections, type Section } from './page.ts';
import { type LinePlot, linePlot } from './plot.ts';

/** More lines than these cannot be distinguished. */
const MOST_LINES = 6;
const LAYER_POINTS_DRAWN = 300;

/** The page of a run in its current state. */
export function runPage(history: RunHistory): Page {
  const { title } = history.facts;
  return { title, lead: leadOf(history), sections: sectionsOf(history) };
}

/** The contents of the page's `<main>`, section by section. */
export function renderedSections(history: RunHistory): readonly string[] {
  return sectionsOf(history).map((section) => renderSections([section]));
}

function leadOf({ facts, state }: RunHistory): string {
  const ends = {
    running: 'is training',
    done: 'has trained',
    stopped: 'was stopped',
    failed: 'failed',
  };
  return `${facts.command} ${ends[state.kind]}.`;
}

function sectionsOf(history: RunHistory): readonly Section[] {
  return [
    nowSection(history),
    trainingSection(history),
    masksSection(history),
    confusionSection(history),
    normsSection(history),
    gradientsSection(history),
    settingsSection(history),
  ].filter(({ blocks }) => blocks.length > 0);
}

function nowSection(history: RunHistory): Section {
  const { state, progress } = history;
  const figures: Figure[] = [{ name: 'state', value: state.kind }];
  if (progress !== undefined) {
    const { step, totalSteps, epoch, epochs, loss, accuracy, learningRate } = progress;
    figures.push(
      { name: 'step', value: `${step} of ${totalSteps}` },
      { name: 'epoch', value: `${epoch} of ${epochs}` },
      { name: 'loss of the epoch', value: showNumber(loss) },
      ...(Number.isNaN(accuracy)
        ? []
        : [{ name: 'accuracy of the epoch', value: showShare(accuracy) }]),
      { name: 'images/s', value: showNumber(progress.imagesPerSecond) },
      { name: 'learning rate', value: showNumber(learningRate) },
    );
    figures.push(...validationFigures(history));
  }
  const blocks: Block[] = [{ kind: 'figures', figures }];
  if (state.kind === 'done' && state.testLoss !== null) {
    figures.push({ name: 'test loss', value: showNumber(state.testLoss) });
    if (state.testAccuracy !== null) {
      figures.push({ name: 'test accuracy', value: showShare(state.testAccuracy) });
    }
    if (state.testMeanIou !== undefined) {
      figures.push({ name: 'test mIoU', value: showShare(state.testMeanIou) });
    }
  }
  if (state.kind === 'failed') blocks.push({ kind: 'text', text: `It failed: ${state.message}` });
  if (state.kind === 'stopped') {
    blocks.push({
      kind: 'text',
      text: 'It was stopped. A checkpoint, if one was saved, can resume it.',
    });
  }
  return { heading: 'State', blocks };
}

const MONITOR_NAMES = { loss: 'loss', accuracy: 'accuracy', meanIou: 'mIoU' } as const;

/** The last validation, and the best epoch so far. */
function validationFigures({ validation, best }: RunHistory): readonly Figure[] {
  if (validation === undefined) return [];
  const { loss, accuracy, meanIou } = validation;
  return [
    { name: 'validation loss', value: showNumber(loss) },
    ...(Number.isNaN(accuracy)
      ? []
      : [{ name: 'validation accuracy', value: showShare(accuracy) }]),
    ...(Number.isNaN(meanIou) ? [] : [{ name: 'validation mIoU', value: showShare(meanIou) }]),
    ...(best === undefined || best.epoch === 0
      ? []
      : [{ name: `best epoch by ${MONITOR_NAMES[best.monitor]}`, value: `${best.epoch}` }]),
  ];
}

function trainingSection(history: RunHistory): Section {
  const { loss, accuracy, validationLoss, validationAccuracy, validationMeanIou } = history;
  const { imagesPerSecond, learningRate } = history;
  const validated = validationLoss.length > 0;
  const hasIou = validationMeanIou.length > 0;
  const how = validated ? ' Validation: over all its samples, at the end of each epoch.' : '';
  const blocks = [
    plotBlock(
      {
        title: validated ? 'Training and validation loss' : 'Training loss',
        yLabel: 'loss',
        series: [
          { name: 'loss', curve: loss },
          ...(validated ? [{ name: 'validation', curve: validationLoss }] : []),
        ],
      },
      notFiniteText(loss, `Mean over the samples since the previous point.${how}`),
    ),
    plotBlock(
      {
        title: validated ? 'Training and validation accuracy' : 'Training accuracy',
        yLabel: 'share',
        series: [
          { name: 'accuracy', curve: accuracy },
          ...(validated ? [{ name: 'validation', curve: validationAccuracy }] : []),
          ...(hasIou ? [{ name: 'validation mIoU', curve: validationMeanIou }] : []),
        ],
      },
      `Accuracy over the ${hasIou ? 'pixels' : 'samples'} since the previous point.${how}`,
    ),
    plotBlock(
      {
        title: 'Speed',
        yLabel: 'images/s',
        series: [{ name: 'images/s', curve: imagesPerSecond }],
      },
      'Images trained since the previous point, per second.',
    ),
    plotBlock(
      {
        title: 'Learning rate',
        yLabel: 'rate',
        series: [{ name: 'learning rate', curve: learningRate }],
      },
      'Rate of the last step before each point.',
    ),
  ];
  return { heading: 'Training', blocks: blocks.filter((block) => block !== undefined) };
}

function masksSection({ state }: RunHistory): Section {
  const masks = state.kind === 'done' ? state.masks : undefined;
  return { heading: 'Predicted masks', blocks: masks === undefined ? [] : [picturesBlock(masks)] };
}

function confusionSection({ state }: RunHistory): Section {
  const isDone = state.kind === 'done';
  const what = isDone && state.testMeanIou !== undefined ? 'pixels' : 'samples';
  const heading = `Test ${what} by class`;
  if (!isDone || state.confusion === undefined) return { heading, blocks: [] };
  const svg = matrixPlot('Confusion matrix', state.confusion);
  const caption = 'Shades are fractions of the true class, the sum of a row.';
  return { heading, blocks: [{ kind: 'plot', svg, caption }] };
}

function normsSection({ layers, diagnostics }: RunHistory): Section {
  if (diagnostics === undefined) return { heading: 'Statistics of the shards', blocks: [] };
  const worst = [...layers].sort(([, a], [, b]) => b.meanShift.largest - a.meanShift.largest);
  const shown = worst.slice(0, MOST_LINES).map(([name, curves]) => ({ name, ...curves }));
  const which =
    layers.size > MOST_LINES ? ` The ${MOST_LINES} layers with the largest difference.` : '';
  const blocks: (Block | undefined)[] = [
    {
      kind: 'text',
      text:
        'How far the statistics of each replica are from those of its sync group, every few ' +
        'steps: what local norms would see instead. Where norms are local, a replica is a group ' +
        'of its own, and nothing differs.',
    },
    plotBlock(
      {
        title: 'Shift of the means',
        yLabel: 'standard deviations',
        series: shown.map(({ name, meanShift }) => ({ name, curve: meanShift })),
      },
      `Root mean square over the channels, for the replica that is furthest off.${which}`,
    ),
    plotBlock(
      {
        title: 'Ratio of the variances',
        yLabel: 'times, up or down',
        yScale: 'log',
        series: shown.map(({ name, varianceFactor }) => ({ name, curve: varianceFactor })),
      },
      `The factor by which the variances typically differ.${which}`,
    ),
    diagnosticsTable(diagnostics.step, diagnostics.layers),
  ];
  return {
    heading: 'Statistics of the shards',
    blocks: blocks.filter((block) => block !== undefined),
  };
}

function diagnosticsTable(step: number, layers: readonly LayerDiagnostics[]): Block {
  return {
    kind: 'table',
    caption: `Step ${step}: for each layer, the replica that is furthest off`,
    columns: ['layer', 'replica', 'shift', 'variances', '|mean| / std', 'dead', 'NaN or inf'],
    rows: layers.map(({ path, worst }) => [
      path,
      worst.replica,
      showNumber(worst.meanShift),
      `x ${showNumber(worst.varianceFactor)}`,
      showNumber(worst.conditioning),
      showShare(worst.deadShare),
      worst.nonFinite,
    ]),
  };
}

function gradientsSection({ gradients, gradientNorms }: RunHistory): Section {
  if (gradientNorms === undefined) return { heading: 'Gradients', blocks: [] };
  const weights = [...gradients].filter(([name]) => name.endsWith('.weight'));
  const lines = spread(weights, MOST_LINES).map(([name, curve]) => ({ name, curve }));
  const which =
    weights.length > MOST_LINES ? ` ${MOST_LINES} weights from the first to the last.` : '';
  const blocks: (Block | undefined)[] = [
    plotBlock(
      { title: 'Gradient norms', yLabel: 'Euclidean norm', yScale: 'log', series: lines },
      `Before clipping, every few steps.${which}`,
    ),
    {
      kind: 'table',
      caption: `Gradient norms of step ${gradientNorms.step}`,
      columns: ['parameter', 'norm'],
      rows: gradientNorms.tensors.map(({ name, norm }) => [name, showNumber(norm)]),
    },
  ];
  return { heading: 'Gradients', blocks: blocks.filter((block) => block !== undefined) };
}

function settingsSection({ facts }: RunHistory): Section {
  return {
    heading: 'Settings',
    blocks: [
      { kind: 'command', text: facts.command },
      { kind: 'table', columns: ['setting', 'value'], rows: facts.settings },
    ],
  };
}

/** The content of a plot over steps. */
interface StepPlot extends Pick<LinePlot, 'title' | 'yLabel' | 'yScale'> {
  readonly series: readonly { readonly name: string; readonly curve: Curve }[];
}

/** A plot over steps; nothing if there are fewer than two points to connect. */
function plotBlock({ series, ...plot }: StepPlot, caption: string): Block | undefined {
  if (!series.some(({ curve }) => curve.length > 1)) return undefined;
  const most = series.length > 1 ? LAYER_POINTS_DRAWN : undefined;
  const lines = series.map(({ name, curve }) => ({ name, points: curve.points(most) }));
  return { kind: 'plot', svg: linePlot({ ...plot, xLabel: 'steps', series: lines }), caption };
}

function notFiniteText({ countNotFinite }: Curve, caption: string): string {
  if (countNotFinite === 0) return caption;
  return `${caption} ${countNotFinite} points were NaN or infinite and are not shown.`;
}

/** At most `count` items of a list, evenly from the first to the last. */
function spread<T>(list: readonly T[], count: number): readonly T[] {
  if (list.length <= count) return list;
  return Array.from(
    { length: count },
    (_, i) => list[Math.round((i * (list.length - 1)) / (count - 1))]!,
  );
}

function showNumber(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 1000) return value.toFixed(0);
  return `${Number(value.toPrecision(4))}`;
}

function showShare(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(2)} %` : '-';
}
