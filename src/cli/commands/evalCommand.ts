// `syncbn eval`: loss and accuracy of a checkpoint on the test samples of its data.

import { cleaningUp } from '../../base/cleanup.ts';
import { UsageError } from '../../base/errors.ts';
import { openCheckpoint } from '../../checkpoint/checkpointFile.ts';
import type { MetricName } from '../../observe/metric.ts';
import { checkMetrics } from '../../observe/metrics.ts';
import type { EvalCorrection } from '../../plan/evalCorrection.ts';
import { Trainer } from '../../runtime/trainer.ts';
import { headsAs, known, meanIouAs } from '../output/events.ts';
import { metricRows, metricTables, showPercent } from '../output/metricTables.ts';
import { screen, warn } from '../output/screen.ts';
import { printRows, printTable } from '../output/tables.ts';
import { paint } from '../output/text.ts';
import { joinPeers } from '../process/peers.ts';
import type { Flags } from '../settings/flags.ts';
import { allowModulesFrom, dataFrom } from '../settings/settings.ts';

export async function runEval(flags: Flags): Promise<number> {
  const path = flags.text('checkpoint');
  if (path === undefined) {
    throw new UsageError({
      what: 'syncbn eval',
      given: 'no --checkpoint',
      allowed: 'a checkpoint to evaluate',
      hint: 'syncbn eval --checkpoint run.ckpt',
    });
  }
  const workers = flags.integer('workers', 1);
  const timeoutMs = flags.integer('timeout-ms', 1);
  const allowModules = allowModulesFrom(flags);
  const batches = flags.integer('precise-norm', 1);
  const evalCorrection = correctionFrom(flags);
  const metrics = (flags.text('metrics')?.split(',') ?? []) as MetricName[];
  await joinPeers(flags.integer('timeout-ms', 1));
  const { head } = await openCheckpoint(path);
  checkMetrics('--metrics', metrics, head.data.task);
  const trainer = await Trainer.resume(path, {
    data: await dataFrom(flags, head.data),
    onNotice: (notice) => warn(`syncbn: ${notice}`),
    ...(allowModules !== undefined && { allowModules }),
    ...(workers !== undefined && { workers }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(evalCorrection !== undefined && { evalCorrection }),
  });
  const run = async (): Promise<number> => {
    const measured = batches === undefined ? {} : { batches };
    if (flags.isSet('average')) await trainer.useAverage(measured);
    else if (batches !== undefined) await trainer.preciseBatchNorm({ batches });
    const evaluation = await trainer.evaluate('test', { metrics });
    const { loss, accuracy, meanIou, count, seconds } = evaluation;
    const hash = trainer.weightsHash();
    if (flags.isSet('json')) {
      const iou = meanIouAs('testMeanIou', evaluation);
      const result = {
        testAccuracy: known(accuracy),
        testLoss: known(loss),
        ...headsAs(evaluation),
        ...iou,
        count,
        seconds,
      };
      const more = metrics.length === 0 ? {} : { metrics: evaluation.metrics };
      screen.sayJson({ event: 'evaluated', ...result, ...more, weightsHash: hash });
    } else {
      printTable([
        { result: 'test accuracy', value: paint('green', showPercent(accuracy)) },
        ...(Number.isNaN(meanIou) ? [] : [{ result: 'test mIoU', value: showPercent(meanIou) }]),
        { result: 'test loss', value: loss.toFixed(4) },
        ...Object.entries(evaluation.headLosses).map(([name, value]) => ({
          result: `test loss of ${name}`,
          value: value.toFixed(4),
        })),
        { result: 'samples', value: `${count}` },
        ...metricRows(evaluation.metrics),
        { result: 'weights', value: hash.slice(0, 16) },
      ]);
      for (const { title, head, rows } of metricTables(evaluation.metrics)) {
        screen.say(title);
        printRows(head, rows);
      }
    }
    return 0;
  };
  return cleaningUp(run, () => trainer.close());
}

function correctionFrom(flags: Flags): EvalCorrection | undefined {
  return flags.text('eval-correction') === 'auto' ? 'auto' : flags.number('eval-correction', 0);
}
