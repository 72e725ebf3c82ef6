// What a WebAssembly trap comes to once MPI is loaded: an exception, in the main thread and in
// others. A library that has taken SIGSEGV over would end the process.

import { Worker } from 'node:worker_threads';
import { nn, optim, synthetic, Trainer } from '../../../dist/index.js';

// (module (memory 1) (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))
const CODE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 8, 1, 4,
  108, 111, 97, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 40, 2, 0, 11,
]);

const TRAP = `
const { load } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
let traps = 0;
for (let i = 0; i < 200; i++) {
  try {
    load(0x7fff0000 - i);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) traps++;
  }
}`;

const inMain = () => new Function('code', `${TRAP}; return traps;`)(CODE);
const inThread = () =>
  new Promise((resolve, reject) => {
    const code = `const { parentPort, workerData: code } = require('node:worker_threads');${TRAP}
parentPort.postMessage(traps);`;
    const thread = new Worker(code, { eval: true, workerData: CODE });
    thread.once('message', resolve);
    thread.once('error', reject);
  });

const data = synthetic({ train: 16, shape: [4, 4, 1], classes: 2 });
const model = nn.sequential([nn.flatten(), nn.linear(16, 2)]);
const trainer = await Trainer.start({
  ...{ model, data, optimizer: optim.sgd({ lr: 0.1 }), globalBatch: 8, workers: 1 },
  onNotice() {},
});
for await (const _ of trainer.fit({ epochs: 1 }));
console.log(`traps ${inMain()} ${await inThread()}`);
await trainer.close();
