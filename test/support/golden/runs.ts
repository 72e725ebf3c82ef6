// Training runs from a golden start: the checkpoint that holds it, and the comparison of what came
// out. `nameOf` makes our names, `0.conv2d.weight`, of the golden ones, `0.weight`.

import { expect } from 'vitest';
import type { Checkpoint } from '../../../src/checkpoint/checkpoint.ts';
import { fillArena, stateTensors } from '../../../src/checkpoint/state.ts';
import type { Dataset } from '../../../src/data/dataset.ts';
import { describeDataset } from '../../../src/data/identity.ts';
import { createArena } from '../../../src/memory/arena.ts';
import { planRun } from '../../../src/plan/plan.ts';
import { checkpointOf } from '../../../src/runtime/resume.ts';
import type { Trainer } from '../../../src/runtime/trainer.ts';
import type { GoldenSpec, GoldenTensors } from './load.ts';

/** Of the largest magnitude of a tensor. */
export const TOLERANCE = 1e-5;

type NameOf = (path: string) => string;

/** Names of a list of layers. */
export function namesIn(layers: readonly GoldenSpec[]): NameOf {
  return (path) => {
    const [index, name] = path.split('.') as [string, string];
    return `${index}.${layers[Number(index)]!.kind}.${name}`;
  };
}

/** A checkpoint of no steps that holds the golden start. */
export function startFrom(
  config: Parameters<typeof checkpointOf>[0]['config'],
  data: Dataset,
  parameters: GoldenTensors,
  nameOf: NameOf,
): Checkpoint {
  const plan = planRun(config);
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  const tensors = stateTensors(plan, memory);
  for (const [path, { data: values }] of Object.entries(parameters)) {
    tensors.find(({ name }) => name === `parameter ${nameOf(path)}`)!.values.set(values);
  }
  return checkpointOf({
    runId: 'a run',
    config,
    data: describeDataset(data),
    tensors,
    epochSums: new Float64Array(4),
    step: 0,
    epochs: 0,
  });
}

/** Whether the weights, or running statistics, are those of the golden run. */
export function expectWeights(trainer: Trainer, tensors: GoldenTensors, nameOf: NameOf): void {
  const weights = trainer.weights();
  for (const [path, { data: exact }] of Object.entries(tensors)) {
    const { values } = weights.get(nameOf(path))!;
    expect(values.length).toBe(exact.length);
    const scale = Math.max(...exact.map(Math.abs));
    for (const [i, value] of values.entries()) {
      expect(Math.abs(value - exact[i]!), `${path}[${i}]`).toBeLessThanOrEqual(TOLERANCE * scale);
    }
  }
}
