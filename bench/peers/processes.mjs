// This library in several processes, one worker each, as a peer for training speed; started by an
// MPI launcher. Arguments: the net, the norm, replicas, images per replica, and a file. Only the
// first process has standard input; it uses the file to tell the others how many steps to train.
// Each line of input is a number of seconds to measure; each answer is a JSON line.

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { nn, optim, synthetic, Trainer } from '../../dist/index.js';

const [net, norm, replicasText, replicaBatchText, orders] = process.argv.slice(2);
const replicas = Number(replicasText);
const replicaBatch = Number(replicaBatchText);
const batch = replicas * replicaBatch;
const isFirst = (process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK) === '0';
const POLL_MS = 5;
/** A line that ends everything. */
const END = -1;

const shape = net === 'refnet' ? [28, 28, 1] : [32, 32, 3];
const data = synthetic({
  train: Math.max(2048, batch),
  test: 0,
  shape,
  classes: 10,
  separation: 0.5,
});
const trainer = await Trainer.start({
  model: nn.convertNorm(nn.namedModel(net, { inputShape: shape, classes: 10 }), {
    to: norm,
    ...(norm === 'group' && { numGroups: 8 }),
  }),
  ...{ data, optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }), replicas, replicaBatch },
  ...{ workers: 1, dropLast: true, seed: 1, onNotice() {} },
});

async function train(steps) {
  const maxSteps = trainer.step + steps;
  const startMs = performance.now();
  for await (const _ of trainer.fit({ epochs: 1e6, maxSteps }));
  return (performance.now() - startMs) / steps;
}

/** One step brings all processes together before the timed ones. */
async function trainTogether(steps) {
  await train(1);
  return train(steps);
}

if (isFirst) {
  const order = (steps) => {
    appendFileSync(orders, `${steps}\n`);
    return trainTogether(steps);
  };
  let ms = await order(20);
  ms = await order(Math.ceil(1000 / ms));
  for await (const line of createInterface({ input: process.stdin })) {
    const windows = [];
    const untilMs = performance.now() + Number(line) * 1000;
    const steps = Math.max(1, Math.round((Number(line) * 1000) / 3 / ms));
    do {
      windows.push(await order(steps));
    } while (performance.now() + steps * ms < untilMs);
    windows.sort((a, b) => a - b);
    ms = windows[windows.length >> 1];
    const msPerStep = { p50: ms, min: windows[0], p99: windows[windows.length - 1] };
    console.log(JSON.stringify({ imagesPerSecond: (batch * 1000) / ms, msPerStep }));
  }
  appendFileSync(orders, `${END}\n`);
} else {
  for (let done = 0; ; ) {
    const lines = existsSync(orders) ? readFileSync(orders, 'utf8').split('\n').slice(0, -1) : [];
    if (lines.length === done) {
      await sleep(POLL_MS);
      continue;
    }
    const steps = Number(lines[done++]);
    if (steps === END) break;
    await trainTogether(steps);
  }
}
await trainer.close();
