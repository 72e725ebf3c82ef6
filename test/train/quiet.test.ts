import { setFlagsFromString } from 'node:v8';
import { MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { compileKernels } from '../../src/kernels/load.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { optimizers, sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { resolveOptions, type TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { allocatedBytes, allocatedInSteps } from '../support/runs/allocated.ts';
import { countSyncs, withOpenRun } from '../support/runs/openRun.ts';

const data = synthetic({ train: 512, test: 0, shape: [16, 16, 1], classes: 10 });
const purpose = { inputShape: data.inputShape, classes: 10 };
const optimizer = sgd({ lr: 0.01, momentum: 0.9 });

// Code that is not optimized yet boxes its float64 numbers; this way it is optimized soon.
setFlagsFromString('--interrupt-budget=5000');

afterEach(() => vi.restoreAllMocks());

const STEPS = 400;
/** What a profile times apart in a step of refnet: eight layers forward and backward, three running
 * statistics, and load, loss, sums, update, sums, weights. */
const PROFILED_SPANS = 8 + 8 + 3 + 6;
/** Of one worker alone: gradients, their norm, weights. */
const SYNCS_ALONE = 3;

/** What STEPS steps of a lone worker allocate, as the least of several windows. */
function allocated(
  options: Partial<TrainerOptions> & { readonly data?: Dataset },
  windows: number,
): Promise<number> {
  const request = { data, ...options };
  const config = resolveOptions({
    model: convertNorm(namedModel('refnet', purpose), { to: 'sync' }),
    optimizer,
    clipNorm: 1,
    replicas: 4,
    workers: 1,
    replicaBatch: 2,
    augmentation: { shift: 2, flip: true },
    ...request,
  });
  const module = compileKernels('fast');
  return allocatedInSteps({ config, data: request.data, module, steps: STEPS, windows });
}

describe('a training step', () => {
  it('allocates nothing, whether it takes a snapshot or not, mixed and weighted', async () => {
    const lars = optimizers.lars({ lr: 0.01 });
    const weights = Float32Array.from({ length: data.train.count }, (_, i) => (i % 3) / 2);
    const options = {
      ...{ diagnosticsEvery: 2, optimizer: lars, clipValue: 1 },
      data: { ...data, train: { ...data.train, weights } },
      augmentation: { shift: 2, flip: true, mixup: 0.4, cutmix: 1 },
    };
    expect(await allocated(options, 8)).toBeLessThan(STEPS * 16);
  });

  it('allocates nothing with a profile except the numbers that the clock returns', async () => {
    const clockReads = 1 + PROFILED_SPANS + 2 * SYNCS_ALONE;
    const bytes = await allocated({ profile: true }, 2);
    // 16 bytes for a number, and up to four of them for each look at the clock: which numbers stay
    // in registers is the compiler's choice. An object for each span would be more.
    expect(bytes).toBeLessThan(STEPS * clockReads * 16 * 4);
  });

  it('is detected if it allocates', async () => {
    const kept: number[][] = [];
    const bytes = await allocatedBytes(() => {
      for (let i = 0; i < 400; i++) kept.push([i]);
    });
    expect(bytes).toBeGreaterThan(400 * 16);
  });

  it('posts no message', async () => {
    const ports = new Set<MessagePort>();
    let messages = 0;
    const post = MessagePort.prototype.postMessage;
    vi.spyOn(MessagePort.prototype, 'postMessage').mockImplementation(function (
      this: MessagePort,
      ...args: Parameters<typeof post>
    ) {
      messages++;
      if (!ports.has(this)) this.on('message', () => messages++);
      ports.add(this);
      return post.apply(this, args);
    });
    const model = convertNorm(namedModel('refnet', purpose), { to: 'sync' });
    const options = { model, data, optimizer, replicas: 2, workers: 2, replicaBatch: 2 } as const;
    const trainer = await Trainer.start({ ...options, diagnosticsEvery: 1 });
    try {
      const countFor = async (maxSteps: number): Promise<number> => {
        messages = 0;
        for await (const _ of trainer.fit({ epochs: 1, maxSteps }));
        return messages;
      };
      const oneStep = await countFor(1);
      expect(oneStep).toBeGreaterThan(0);
      expect(await countFor(2)).toBe(oneStep);
      expect(await countFor(102)).toBe(oneStep);
    } finally {
      await trainer.close();
    }
  });

  it.each([
    ['refnet', 'sync', sgd({ lr: 0.01 }), 3 + 3 + 2],
    ['refnet', 'local', sgd({ lr: 0.01 }), 2],
    ['refnet', 'group', optimizers.lars({ lr: 0.01 }), 3],
    // Two projections share the exchanges of the norms beside them.
    ['resnet20', 'sync', sgd({ lr: 0.01 }), 19 + 19 + 2],
  ] as const)(
    'of %s with norm %s synchronizes a fixed number of times',
    async (name, to, optimizer, count) => {
      const model = convertNorm(namedModel(name, purpose), { to });
      const options = { model, data, optimizer, replicas: 2, workers: 2, replicaBatch: 2 };
      await withOpenRun({ ...options, diagnosticsEvery: 1 }, async (run) => {
        const syncsFor = async (maxSteps: number): Promise<number> => {
          const before = countSyncs(run);
          for await (const _ of run.trainer.fit({ epochs: 1, maxSteps }));
          return countSyncs(run) - before;
        };
        const first = await syncsFor(1);
        expect((await syncsFor(6)) - first).toBe(4 * count);
      });
    },
  );
});
