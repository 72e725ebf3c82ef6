// Evaluates a trained net with running statistics that count in each evaluated sample, with the
// weight that it had in training (after EvalNorm, Singh and Shrivastava 2019). This needs a second
// trainer, because the first one evaluates without it.

import { cleaningUp } from '../../base/cleanup.ts';
import type { Dataset } from '../../data/dataset.ts';
import { firstTrain } from '../../data/subset.ts';
import { sgd } from '../../optim/optimizer.ts';
import type { Evaluation } from '../../runtime/evaluation.ts';
import { Trainer } from '../../runtime/trainer.ts';

/** Evaluates on the test samples of `data`, without training. */
export async function evaluateCountedIn(trainer: Trainer, data: Dataset): Promise<Evaluation> {
  const { model, loss, replicas, globalBatch, mode } = trainer.config;
  const corrected = await Trainer.start({
    model,
    // The minimum, a single step's samples: there is no training.
    data: firstTrain(data, globalBatch),
    loss,
    // Never used.
    optimizer: sgd({ lr: 1 }),
    replicas,
    globalBatch,
    dropLast: true,
    mode,
    workers: trainer.workers,
    weights: trainer.weights(),
    evalCorrection: 'auto',
    diagnosticsEvery: 0,
    onNotice: () => {},
  });
  return cleaningUp(
    () => corrected.evaluate('test'),
    () => corrected.close(),
  );
}
