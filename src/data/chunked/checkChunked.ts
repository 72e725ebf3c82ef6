// Checks data before a run uses it. Data in memory is checked completely; for chunked data, only
// what is known before the chunks are read.

import * as z from 'zod';
import { checkInteger } from '../../base/errors.ts';
import { isObject, parseData } from '../../base/parse.ts';
import { accept, callback, flag, text, wholeNumber } from '../../base/values.ts';
import { checkData, checkDataset } from '../checkDataset.ts';
import { checkSplit, type Dataset } from '../dataset.ts';
import { checkDatasetFields, datasetFields } from '../datasetFields.ts';
import {
  type ChunkedSplit,
  isChunked,
  isChunkedSplit,
  type TrainingData,
} from './chunkedDataset.ts';

const readFunction = accept<ChunkedSplit['read']>('a function', (given) => {
  return typeof given === 'function';
});
const chunkedSplit = z.looseObject({
  count: wholeNumber(0),
  chunkSamples: wholeNumber(1),
  isWeighted: flag.exactOptional(),
  inOrder: flag.exactOptional(),
  read: readFunction,
  nameOf: callback<(index: number) => string>().exactOptional(),
});
const chunkedFields = z.looseObject({
  ...datasetFields,
  train: chunkedSplit,
  test: z.looseObject({}),
  window: wholeNumber(1).exactOptional(),
  contentHash: text.exactOptional(),
});

/** Returns the data if it is valid, as far as can be checked before it is read. Otherwise throws a
 * {@link UsageError}. */
export function checkTrainingData(data: TrainingData): TrainingData {
  if (!isObject(data) || !isChunked(data)) return checkDataset(data as Dataset);
  parseData(chunkedFields, data, 'data');
  checkData(data);
  checkInteger(`training samples of ${data.name}`, data.train.count, 1);
  if (isChunkedSplit(data.test)) parseData(chunkedSplit, data.test, 'test of data');
  else {
    checkDatasetFields({ ...data, train: data.test });
    checkSplit(`test of ${data.name}`, data, data.test);
  }
  return data;
}
