// Predictions for any number of inputs, through the regions that the workers share. Calls that
// arrive while the workers are busy wait in a queue. Those that fit in one global batch run
// together, unless a sample's output depends on its batch.

import { UsageError } from '../base/errors.ts';
import { sizeOf } from '../base/shape.ts';
import { showValue } from '../base/show.ts';
import { toDataUnits } from '../data/targets.ts';
import { viewOf } from '../memory/arena.ts';
import type { Graph } from '../nn/graph/graph.ts';
import { outputSizeOf, type RunConfig } from '../plan/config.ts';
import { takesInEvaluation } from '../plan/feasible.ts';
import { outputLosses } from '../plan/heads.ts';
import type { RunPlan } from '../plan/plan.ts';

/** Inputs in the data's own units: bytes, floats, or doubles if the data has a shift. */
export type Inputs = Uint8Array | Float32Array | Float64Array;

/** The number of inputs. Throws a {@link UsageError} if they do not fit the run's data. */
export function countInputs(what: string, config: RunConfig, inputs: Inputs): number {
  const { inputShape, inputType, shift } = config.data;
  const length = sizeOf(inputShape);
  const floats = shift === undefined ? Float32Array : Float64Array;
  const Wanted = inputType === 'u8' ? Uint8Array : floats;
  const isRightType = inputs instanceof Wanted;
  if (isRightType && inputs.length % length === 0) return inputs.length / length;
  const isArray = ArrayBuffer.isView(inputs);
  throw new UsageError({
    what: `inputs of ${what}`,
    given: isArray ? `${inputs.constructor.name} of length ${inputs.length}` : showValue(inputs),
    allowed: `${Wanted.name} of n times ${length} values`,
    ...(shift !== undefined && { hint: 'float32 cannot hold all digits of this data' }),
  });
}

/** Outputs by name: `main`, and the heads of the model. */
export type NamedOutputs = Readonly<Record<string, Float32Array>>;

/** Outputs in the units of the data. */
export function namedOutputs(config: RunConfig, outputs: AllOutputs): NamedOutputs {
  const named = outputLosses(config).map(({ name }, i) => {
    return [name, toDataUnits(config.data.task, outputs[i]!)] as const;
  });
  return Object.fromEntries(named);
}

export interface PredictionSetup {
  readonly plan: RunPlan;
  readonly memory: WebAssembly.Memory;
  /** Has the workers predict the first `size` inputs in the arena. */
  readonly run: (size: number) => Promise<unknown>;
  /** Occupies the gang, if it is free. */
  readonly tryEnter: () => boolean;
  readonly leave: () => void;
  /** Awaited before each batch, so that other work of this event-loop turn finishes and its
   * requests join the batch. Default: no pause. */
  readonly pause?: () => Promise<void>;
}

type StoredInputs = Uint8Array | Float32Array;

/** The main output and each head's, [n, outputs] each, in units of the loss. */
export type AllOutputs = readonly Float32Array[];

interface Request {
  readonly inputs: StoredInputs;
  readonly count: number;
  resolve(outputs: AllOutputs): void;
  reject(error: unknown): void;
}

/** The queue of predictions. */
export class Predictions {
  private readonly setup: PredictionSetup;
  private readonly waiting: Request[] = [];
  private readonly canShare: boolean;

  constructor(setup: PredictionSetup) {
    this.setup = setup;
    this.canShare = !dependsOnBatch(setup.plan.graph);
  }

  /** Queues `count` inputs in the form that the arena holds, and returns their outputs. */
  add(inputs: StoredInputs, count: number): Promise<AllOutputs> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ inputs, count, resolve, reject });
      this.goOn();
    });
  }

  /** Starts on the waiting requests. Call it whenever the gang becomes free. */
  goOn(): void {
    if (this.waiting.length > 0 && this.setup.tryEnter()) void this.serve();
  }

  private async serve(): Promise<void> {
    while (this.waiting.length > 0) {
      await this.setup.pause?.();
      const requests = this.take();
      try {
        const outputs = await this.predict(requests);
        for (const [i, request] of requests.entries()) request.resolve(outputs[i]!);
      } catch (error) {
        for (const request of requests) request.reject(error);
      }
    }
    this.setup.leave();
  }

  /** The first request, and those after it that fit in the same global batch. */
  private take(): Request[] {
    const { globalBatch } = this.setup.plan.config;
    let total = this.waiting[0]!.count;
    let taken = 1;
    while (this.canShare && taken < this.waiting.length) {
      total += this.waiting[taken]!.count;
      if (total > globalBatch) break;
      taken++;
    }
    return this.waiting.splice(0, taken);
  }

  /** The outputs of each request. If there is more than one, they fit in one global batch. */
  private async predict(requests: readonly Request[]): Promise<readonly AllOutputs[]> {
    const { plan, memory, run } = this.setup;
    const { config, regions } = plan;
    const { inputShape, task } = config.data;
    const inputLength = sizeOf(inputShape);
    const outputLength = outputSizeOf(task);
    const slots = viewOf(memory, regions.inference.inputs);
    const { inference } = regions;
    const results = [inference.outputs, ...inference.headOutputs].map((one) => viewOf(memory, one));
    const outputs = requests.map(({ count }) =>
      results.map(() => new Float32Array(count * outputLength)),
    );
    const { globalBatch } = config;
    const longest = Math.max(...requests.map(({ count }) => count));
    for (let from = 0; from < longest; from += globalBatch) {
      if (from > 0) await this.setup.pause?.();
      let size = 0;
      const places = requests.map(({ inputs, count }) => {
        const to = Math.min(from + globalBatch, count);
        slots.set(inputs.subarray(from * inputLength, to * inputLength), size * inputLength);
        const place = size;
        size += to - from;
        return place;
      });
      await run(size);
      for (const [i, { count }] of requests.entries()) {
        const rows = Math.min(globalBatch, count - from);
        const at = places[i]! * outputLength;
        for (const [j, output] of outputs[i]!.entries()) {
          output.set(results[j]!.subarray(at, at + rows * outputLength), from * outputLength);
        }
      }
    }
    return outputs;
  }
}

/** Whether a sample's output may depend on the others of its batch: because a layer uses batch
 * statistics in evaluation, too, or because it is custom and may do anything. */
export function dependsOnBatch(graph: Graph): boolean {
  return graph.operations.some(
    (operation) =>
      operation.op === 'layer' &&
      (operation.kind.dependsOnBatch === true || takesInEvaluation(operation, graph)),
  );
}
