// The LSTM of the sequence experiment: without a norm, and with batch norm or layer norm per time
// step, and verdicts on the claims of Cooijmans et al. 2017 and Ba et al. 2016. It uses the largest
// of the compared batches, where batch norm works well.

import {
  bySeed,
  cell,
  judge,
  listCurve,
  type Measure,
  type SeedValues,
  select,
} from '../engine/compare.ts';
import type { AnalysisPlot, AnalysisTable, ClaimVerdict, RunResult } from '../engine/experiment.ts';

export const LSTM_NORMS = ['none', 'batch', 'layer'] as const;
export type LstmNorm = (typeof LSTM_NORMS)[number];
export const LSTM_TITLES: Readonly<Record<LstmNorm, string>> = {
  none: 'LSTM without norm',
  batch: 'LSTM with batch norm',
  layer: 'LSTM with layer norm',
};

/** Table, plot and verdicts for the LSTM's results. `ends` are the steps where loss windows end. */
export function analyseLstm(
  results: readonly RunResult[],
  error: Measure,
  ends: readonly number[],
): {
  readonly table: AnalysisTable;
  readonly plot: AnalysisPlot;
  readonly verdicts: readonly ClaimVerdict[];
} {
  const errors = (norm: LstmNorm): SeedValues => bySeed(results, { cell: 'lstm', norm }, error);
  return {
    table: {
      caption: 'Test error of the LSTM, means over the seeds with 95 % intervals',
      columns: ['net', 'test error'],
      rows: LSTM_NORMS.map((norm) => [LSTM_TITLES[norm], cell(errors(norm), 2, '%')]),
    },
    plot: {
      file: 'loss-lstm',
      caption: 'Training loss of the LSTM, mean over the seeds',
      plot: {
        title: 'Training loss of the LSTM',
        xLabel: 'steps',
        yLabel: 'cross-entropy',
        yScale: 'log',
        series: LSTM_NORMS.map((norm) =>
          listCurve(LSTM_TITLES[norm], select(results, { cell: 'lstm', norm }), 'losses', ends),
        ),
      },
    },
    verdicts: (['batch', 'layer'] as const).map((norm) =>
      judge({
        claim: `An LSTM has a lower error with ${norm} norm of each time step than without`,
        a: { name: LSTM_TITLES.none, values: errors('none') },
        b: { name: LSTM_TITLES[norm], values: errors(norm) },
        ...{ claimed: 'above', digits: 2, unit: '%' },
      }),
    ),
  };
}
