// Evaluates a trained net by running statistics into which each sample is counted with the weight
// that it had in training (after EvalNorm, Singh and Shrivastava 2019), beside a trainer that
// evaluates without.

import { cleaningUp } from '../../base/cleanup.ts';
import type { Dataset } from '../../data/dataset.ts';
import { firstTrain } from '../../data/subset.ts';
import { sgd } from '../../optim/optimizer.ts';
import type { Evaluation } from '../../runtime/evaluation.ts';
import { Trainer } from '../../runtime/trainer.ts';

/** The evaluation on the test samples of `data`; nothing is trained. */
export async function evaluateCountedIn(trainer: Trainer, data: Dataset): Promise<Evaluation> {
  const { model, loss, replicas, globalBatch, mode } = trainer.config;
  const corrected = await Trainer.start({
    model,
    // No more training samples than a step has: none is taken.
    data: firstTrain(data, globalBatch),
    loss,
    // Is never used.
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
