// `syncbn data`: what is in a dataset that one would train on, and what looks wrong with it.

import { UsageError } from '../../base/errors.ts';
import { showShape } from '../../base/shape.ts';
import { listed } from '../../base/show.ts';
import type { ChunkedDataset } from '../../data/chunked/chunkedDataset.ts';
import { openDataset } from '../../data/open.ts';
import { openChunked } from '../../data/openChunked.ts';
import { type DataSurvey, surveyDataset, type ValueSurvey } from '../../data/survey.ts';
import { say, screen } from '../output/screen.ts';
import { printTable } from '../output/tables.ts';
import type { Flags } from '../settings/flags.ts';
import { openOptionsFrom } from '../settings/settings.ts';
import { isStreamed } from '../settings/streamFlags.ts';

/** The most classes, channels or target values to show. */
const MOST_ROWS = 16;
const ORDERS = {
  sorted: 'sorted by label (training shuffles each epoch)',
  grouped: 'one class after another (training shuffles each epoch)',
  mixed: 'mixed',
} as const;

export async function runData(flags: Flags, path: string | undefined): Promise<number> {
  if (path === undefined) {
    throw new UsageError({
      what: 'syncbn data',
      problem: 'requires data: a name, a file or a folder',
      hint: 'syncbn data mnist',
    });
  }
  if (await isStreamed(flags, path)) return showChunked(flags, await openChunked(path));
  const data = await openDataset(path, openOptionsFrom(flags));
  const survey = surveyDataset(data);
  if (flags.isSet('json')) {
    screen.sayJson({ event: 'data', ...survey });
    return 0;
  }
  printTable(totalRows(survey).map(([data, value]) => ({ data, value })));
  showClasses(survey);
  const isImage = survey.inputShape.length > 1;
  showValues(isImage ? 'channel' : 'column', survey.channels);
  showValues('target', survey.targets);
  for (const notice of survey.notices) say(notice);
  return 0;
}

/** Shows what is known about a set without reading it. */
function showChunked(flags: Flags, data: ChunkedDataset): number {
  const { name, inputShape, inputType, task, train, test, mean, std } = data;
  const { chunkSamples } = train;
  const channels = mean.map((value, c) => ({ mean: value, std: std[c]! }));
  const facts = { name, inputShape, inputType, task, train: train.count, test: test.count };
  if (flags.isSet('json')) {
    screen.sayJson({ event: 'data', ...facts, chunkSamples, channels });
    return 0;
  }
  const rows = [
    ['name', name],
    ['samples', `${train.count} training, ${test.count} test, in chunks of ${chunkSamples}`],
    ['input', `${showShape(inputShape)}, bytes; statistics are of byte / 255`],
    ['task', showTask({ task })],
  ] as const;
  printTable(rows.map(([data, value]) => ({ data, value })));
  const shown = channels.map((one, channel) => ({
    channel: `${channel}`,
    mean: short(one.mean),
    std: short(one.std),
  }));
  printTable(shown);
  say('Its samples are not read here; each chunk has a checksum, which training checks.');
  return 0;
}

function totalRows(survey: DataSurvey): readonly (readonly [string, string])[] {
  const { name, inputShape, inputType, task, train, test, channels, noClass } = survey;
  const constant = channels.flatMap(({ isConstant }, c) => (isConstant ? [`${c}`] : []));
  const kind = inputType === 'u8' ? 'bytes; statistics are of byte / 255' : 'float32';
  const unit = task.kind === 'segmentation' ? 'pixels' : 'samples';
  const without = `${noClass.train} training, ${noClass.test} test ${unit}`;
  return [
    ['name', name],
    ['samples', `${train} training, ${test} test`],
    ['input', `${showShape(inputShape)}, ${kind}`],
    ['task', showTask(survey)],
    ...(survey.labelOrder === undefined
      ? []
      : ([['order of training samples', ORDERS[survey.labelOrder]]] as const)),
    ...(survey.missingClasses.length === 0
      ? []
      : ([['classes without training samples', namesOf(survey)]] as const)),
    ...(noClass.train + noClass.test === 0 ? [] : ([['without a class', without]] as const)),
    ...(constant.length === 0
      ? []
      : ([['constant inputs', `${constant.length}: ${listed(constant)}`]] as const)),
  ];
}

function showTask({ task }: Pick<DataSurvey, 'task'>): string {
  if (task.kind === 'classification') return `classification, ${task.classes} classes`;
  const shape = showShape(task.targetShape);
  if (task.kind === 'segmentation') return `masks ${shape}, ${task.classes} classes`;
  return `regression of ${shape}${task.mean === undefined ? '' : ', standardized'}`;
}

function namesOf({ missingClasses }: DataSurvey): string {
  return `${missingClasses.length}: ${listed(missingClasses.map(String))}`;
}

function showClasses({ classes, task }: DataSurvey): void {
  if (classes.length === 0) return;
  const isNamed = classes.some(({ name }) => name !== undefined);
  const unit = task.kind === 'segmentation' ? ' pixels' : '';
  const rows = classes.map(({ label, name, train, test }) => ({
    class: `${label}`,
    ...(isNamed && { name: name ?? '' }),
    [`training${unit}`]: `${train}`,
    [`test${unit}`]: `${test}`,
  }));
  printTable(rows.slice(0, MOST_ROWS));
  if (rows.length <= MOST_ROWS) return;
  const counts = classes.map(({ train }) => train);
  const range = `${Math.min(...counts)} to ${Math.max(...counts)}`;
  say(`And ${rows.length - MOST_ROWS} more classes; all have ${range} training samples.`);
}

function showValues(of: string, values: readonly ValueSurvey[]): void {
  if (values.length === 0) return;
  const rows = values.map(({ mean, std, min, max }, i) => ({
    [of]: `${i}`,
    mean: short(mean),
    std: short(std),
    min: short(min),
    max: short(max),
  }));
  printTable(rows.slice(0, MOST_ROWS));
  if (rows.length > MOST_ROWS) say(`And ${rows.length - MOST_ROWS} more ${of}s.`);
}

/** A number for display: at most 6 digits. */
function short(value: number): string {
  return `${Number(value.toPrecision(6))}`;
}
