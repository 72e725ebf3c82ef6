// `syncbn lr-find`: a learning-rate range test of a model on data, its recommendation, and a page
// with the curve.

import { join } from 'node:path';
import { BLOW_UP_FACTOR, type RangeAdvice, type RangePoint } from '../../doctor/rangeAdvice.ts';
import { DEFAULT_RANGE, type RangeTest, rangeTest } from '../../doctor/rangeTest.ts';
import { renderPage, type Section } from '../../report/page.ts';
import { linePlot } from '../../report/plot.ts';
import { known } from '../output/events.ts';
import { prepareFolder, typedCommand, writeFiles } from '../output/outFolder.ts';
import { say, screen } from '../output/screen.ts';
import { paint } from '../output/text.ts';
import type { Flags } from '../settings/flags.ts';
import { DEFAULTS, dataFrom, normFrom, runOptionsFrom } from '../settings/settings.ts';

const DEFAULT_FOLDER = 'lr-find';
const PAGE = 'report.html';

export async function runLrFind(flags: Flags): Promise<number> {
  const isJson = flags.isSet('json');
  const folder = flags.text('out') ?? DEFAULT_FOLDER;
  const steps = flags.integer('steps', 1);
  const from = flags.number('from', 0) ?? DEFAULT_RANGE.from;
  const to = flags.number('to', 0);
  const smoothing = flags.number('smoothing', 0);
  const data = await dataFrom(flags);
  const trainer = {
    ...(await runOptionsFrom(flags.with({ lr: `${from}` }), data)),
    ...(flags.has('norm') && { norm: normFrom(flags) }),
  };
  await prepareFolder(folder);
  const test = await rangeTest({
    trainer,
    from,
    ...(steps !== undefined && { steps }),
    ...(to !== undefined && { to }),
    ...(smoothing !== undefined && { smoothing }),
    ...(isJson && { onStep: tellStep }),
  });
  const { points, askedSteps, advice } = test;
  const path = join(folder, PAGE);
  if (isJson) {
    screen.sayJson({ event: 'lr-find', steps: points.length, askedSteps, ...plain(advice), path });
  } else {
    say(`${points.length} of ${askedSteps} steps. ${endOf(test)}.`);
    for (const line of adviceLines(advice)) say(`  ${line}`);
  }
  const title = `Learning rates for ${flags.text('model') ?? DEFAULTS.model} on ${data.name}`;
  const text = renderPage({ title, lead: `${endOf(test)}.`, sections: sectionsOf(title, test) });
  await writeFiles(folder, [{ name: PAGE, text }]);
  if (!isJson) say(`Written to ${path}.`);
  return 0;
}

function tellStep({ loss, smoothedLoss, ...rest }: RangePoint): void {
  const losses = { loss: known(loss), smoothedLoss: known(smoothedLoss) };
  screen.sayJson({ event: 'step', ...rest, ...losses });
}

/** JSON has no undefined, so unknown values are null. */
function plain(advice: RangeAdvice): object {
  return Object.fromEntries(Object.entries(advice).map(([name, rate]) => [name, rate ?? null]));
}

function showRate(rate: number | undefined): string {
  return rate === undefined ? '-' : `${Number(rate.toPrecision(2))}`;
}

function endOf({ points, advice }: RangeTest): string {
  const last = showRate(points.at(-1)?.learningRate);
  return advice.blowUp === undefined
    ? `The loss did not blow up at learning rates up to ${last}`
    : `The loss blew up, to more than ${BLOW_UP_FACTOR} times its lowest, at ${last}`;
}

/** Recommended flags, best first. */
function adviceLines({ steepest, belowBlowUp }: RangeAdvice): readonly string[] {
  const flag = (rate: number): string => paint('green', `--lr ${showRate(rate)}`);
  return [
    steepest === undefined
      ? 'The loss never falls: try more --steps or a lower --from.'
      : `${flag(steepest)}: the loss falls fastest there`,
    belowBlowUp === undefined
      ? 'No upper bound is known: try a higher --to.'
      : `${flag(belowBlowUp)}: a tenth of the rate at which it blows up`,
  ];
}

function sectionsOf(title: string, { points, advice }: RangeTest): readonly Section[] {
  const best = points.reduce((least, { smoothedLoss }) => Math.min(least, smoothedLoss), Infinity);
  // Much larger values would flatten the rest of the curve.
  const most = Math.max(BLOW_UP_FACTOR * best, points[0]!.smoothedLoss);
  const curve = (name: string, lossOf: (point: RangePoint) => number) => ({
    name,
    points: points
      .map((point) => ({ x: point.learningRate, y: lossOf(point) }))
      .filter(({ y }) => y <= most),
  });
  const svg = linePlot({
    title,
    xLabel: 'learning rate',
    yLabel: 'training loss',
    xScale: 'log',
    series: [
      curve('smoothed loss', ({ smoothedLoss }) => smoothedLoss),
      curve('loss of the step', ({ loss }) => loss),
    ],
  });
  const figures = [
    { name: 'steepest descent', value: showRate(advice.steepest) },
    { name: 'a tenth of the blow-up', value: showRate(advice.belowBlowUp) },
    { name: 'blow-up', value: showRate(advice.blowUp) },
    { name: 'lowest loss', value: showRate(advice.lowest) },
  ];
  const caption =
    'One training with a rate that rises by the same factor in each step (Smith 2017). Rates at ' +
    'which the smoothed loss falls fastest are good; those near the blow-up are too high.';
  return [
    { heading: 'Learning rates', blocks: [{ kind: 'figures', figures }] },
    { heading: 'Loss by learning rate', blocks: [{ kind: 'plot', svg, caption }] },
    { heading: 'Command', blocks: [{ kind: 'command', text: typedCommand() }] },
  ];
}
