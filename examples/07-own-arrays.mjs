// A complete run on your own arrays: a model with synchronized batch norm, a validation after each
// epoch, early stopping, the best weights, a checkpoint. The task: which points are inside a
// circle? Run it with: node examples/07-own-arrays.mjs

import { fromArrays, nn, optim, Trainer } from 'syncbn';

const inputs = Array.from({ length: 2000 }, (_, i) => [Math.cos(i * i), Math.sin(7 * i)]);
const targets = inputs.map(([x, y]) => (Math.hypot(x, y) < 0.9 ? 1 : 0));
const data = fromArrays({ inputs, targets, testSplit: 0.2 });
const norm = nn.batchNorm(32, { sync: 'all' });
const model = nn.sequential([nn.linear(2, 32), norm, nn.relu(), nn.linear(32, 2)]);
const optimizer = optim.adam({ lr: 0.02 });
const trainer = await Trainer.start({ model, data, optimizer, validationSplit: 0.1 });
const earlyStopping = { patience: 5 }; // epochs without a lower validation loss
const validate = 'validation';
for await (const p of trainer.fit({ epochs: 50, validate, earlyStopping, restoreBest: true })) {
  console.log(`${p.epoch}: ${p.loss.toFixed(3)}, validation ${p.validation?.loss.toFixed(3)}`);
}
console.log(`test accuracy ${(await trainer.evaluate()).accuracy}`);
await trainer.save('circle.ckpt', { overwrite: true });
