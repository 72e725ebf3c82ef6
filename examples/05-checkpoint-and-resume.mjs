// Stops a run in the middle of an epoch, saves it, and resumes from the file with another number of
// workers. The final weights equal those of an uninterrupted run, bit for bit: the checkpoint holds
// weights, running statistics, optimizer state and the position in the epoch. Run it with: node
// examples/05-checkpoint-and-resume.mjs

import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nn, optim, synthetic, Trainer } from 'syncbn';

const isSmall = process.env.EXAMPLE_SIZE === 'small';
const data = synthetic({ train: isSmall ? 500 : 5000, shape: [12, 12, 3], classes: 10 });
const model = nn.namedModel('refnet', { inputShape: data.inputShape, classes: 10 });
const options = {
  model: nn.convertNorm(model, { to: 'sync' }),
  data,
  optimizer: optim.adamw({ lr: 0.005 }),
  schedule: optim.schedules.cosine(),
  augmentation: { shift: 1, flip: true },
  replicas: 4,
  replicaBatch: 8,
  workers: 2,
};

const whole = await Trainer.start(options);
await fit(whole);
console.log(`uninterrupted     ${whole.weightsHash()}`);
await whole.close();

const folder = await mkdtemp(join(tmpdir(), 'syncbn-example-'));
const path = join(folder, 'run.ckpt');
const first = await Trainer.start(options);
await fit(first, Math.floor(first.stepsPerEpoch * 1.5));
await first.save(path);
console.log(`stopped at ${first.step}`.padEnd(18) + first.weightsHash());
await first.close();
console.log(`saved, ${(await stat(path)).size} bytes`);

// Only the data and the options that affect speed are given; the rest is in the checkpoint.
const second = await Trainer.resume(path, { data, workers: 1 });
await fit(second);
console.log(`resumed           ${second.weightsHash()}`);
const isEqual = second.weightsHash() === whole.weightsHash();
await second.close();
await rm(folder, { recursive: true });
console.log(`equal, bit for bit: ${isEqual}`);

/** Trains up to a total of two epochs, or of `maxSteps`. */
async function fit(trainer, maxSteps = Number.MAX_SAFE_INTEGER) {
  for await (const { kind, epoch, step, loss } of trainer.fit({ epochs: 2, maxSteps })) {
    console.log(`  ${kind} ${epoch}, step ${step}: loss ${loss.toFixed(4)}`);
  }
}
