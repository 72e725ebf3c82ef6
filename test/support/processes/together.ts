// One training on one process or on several that are parts of this one, and all that it shows.

import type { Metrics } from '../../../src/observe/metric.ts';
import { memoryNetworks, type Network } from '../../../src/runtime/network.ts';
import { startOn } from '../../../src/runtime/start.ts';
import type { TrainerOptions } from '../../../src/runtime/trainerOptions.ts';
import type { RunningTrainer } from '../../../src/runtime/trainerTypes.ts';
import type { TransportFault } from '../../../src/sync/faultyTransport.ts';

/** The results of a run. */
export interface Outcome {
  readonly hash: string;
  readonly losses: readonly number[];
  readonly testLoss: number;
  /** NaN but for masks. */
  readonly meanIou: number;
  readonly headLosses: Readonly<Record<string, number>>;
  readonly counted: Metrics<'confusion' | 'top2'>;
  readonly outputs: Float32Array;
  readonly diagnostics: ReturnType<RunningTrainer['diagnostics']>;
  readonly gradientNorms: ReturnType<RunningTrainer['gradientNorms']>;
  readonly preciseHash: string;
}

export function trainAlone(options: TrainerOptions): Promise<Outcome> {
  return outcomeOf(undefined, options);
}

/** What becomes of each process where one has a fault: the hash of its weights, or its error. */
export function trainFaulty(
  options: TrainerOptions,
  workers: readonly number[],
  process: number,
  fault: TransportFault,
): Promise<readonly (string | Error)[]> {
  const networks = memoryNetworks(workers.length, { [process]: fault });
  return Promise.all(
    networks.map(async (network, own) => {
      try {
        const trainer = await startOn(network, {
          onNotice() {},
          ...options,
          workers: workers[own]!,
        });
        try {
          // There are no ends of epochs, at which main threads would wait for lost processes.
          for await (const _ of trainer.fit({ epochs: 1 }));
          return trainer.weightsHash();
        } finally {
          await trainer.close();
        }
      } catch (error) {
        return error as Error;
      }
    }),
  );
}

/** One outcome for each process, of so many workers. */
export function trainApart(
  options: TrainerOptions,
  workers: readonly number[],
): Promise<readonly Outcome[]> {
  return Promise.all(
    memoryNetworks(workers.length).map((network, process) =>
      outcomeOf(network, { ...options, workers: workers[process]! }),
    ),
  );
}

async function outcomeOf(network: Network | undefined, options: TrainerOptions): Promise<Outcome> {
  const trainer = await startOn(network, { onNotice() {}, ...options });
  try {
    const losses: number[] = [];
    for await (const { totalLoss } of trainer.fit({ epochs: 2 })) losses.push(totalLoss);
    const metrics = ['confusion', 'top2'] as const;
    const evaluated = await trainer.evaluate('test', { metrics });
    const inputs = options.data.test.inputs.slice() as Float32Array;
    const all = Object.values(await trainer.predictAll(inputs));
    const outputs = Float32Array.from(all.flatMap((values) => [...values]));
    const hash = trainer.weightsHash();
    const seen = { diagnostics: trainer.diagnostics(), gradientNorms: trainer.gradientNorms() };
    await trainer.preciseBatchNorm({ batches: 2 });
    const { loss: testLoss, meanIou, headLosses, metrics: counted } = evaluated;
    return {
      hash,
      losses,
      testLoss,
      meanIou,
      headLosses,
      counted,
      outputs,
      ...seen,
      preciseHash: trainer.weightsHash(),
    };
  } finally {
    await trainer.close();
  }
}

/** Outputs by their first numbers, so that a difference can be read. */
export function observedOf({ outputs, ...rest }: Outcome): object {
  return { ...rest, outputs: [...outputs.slice(0, 8)], countOutputs: outputs.length };
}
