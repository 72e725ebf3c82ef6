// What a process does around its gangs: it may stand still for longer than any timeout, and it ends
// by itself although nobody has closed them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';

const LIBRARY = new URL('../../dist/index.js', import.meta.url).href;
const JOB = new URL('../support/jobs/standing.mjs', import.meta.url).href;
const FATAL_LAYER = new URL('../support/jobs/fatalLayer.mjs', import.meta.url).href;

/** A program that has the library, on its own. */
function run(body: string) {
  const script = `
    import { launch, nn, optim, synthetic, Trainer } from ${JSON.stringify(LIBRARY)};
    const data = synthetic({ train: 64, test: 8, shape: [2, 2, 1], classes: 2 });
    const model = nn.sequential([nn.flatten(), nn.linear(4, 2)]);
    const optimizer = optim.sgd({ lr: 0.1 });
    const options = { model, data, optimizer, replicas: 4, replicaBatch: 2, workers: 2 };
    ${body}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    output += text;
  });
  const ended = once(child, 'close').then(([code]) => ({ code, output }));
  return { child, ended, hasSaid: (text: string) => output.includes(text) };
}

describe('a process that is suspended for longer than every timeout', () => {
  it('continues where it was: a launched job, and a training run', async () => {
    const { child, ended, hasSaid } = run(`
      const timeouts = { timeoutMs: 250, startTimeoutMs: 30_000 };
      const trainer = await Trainer.start({ ...options, ...timeouts });
      const job = ${JSON.stringify(JOB)};
      const args = { ms: 2000 };
      const launched = launch(job, { ...timeouts, workers: 4, jobTimeoutMs: 20_000, args });
      console.log('runs');
      const endMs = Date.now() + 2000;
      for await (const _ of trainer.fit({ epochs: 1_000_000, progressEveryMs: 50 })) {
        if (Date.now() > endMs) break;
      }
      await trainer.close();
      await launched;
      console.log('whole');`);
    while (!hasSaid('runs')) await sleep(20);
    for (let i = 0; i < 2; i++) {
      await sleep(150);
      child.kill('SIGSTOP');
      await sleep(600);
      child.kill('SIGCONT');
    }
    const { code, output } = await ended;
    expect(output).toBe('runs\nwhole\n');
    expect(code).toBe(0);
  });
});

describe('a process that forgets to close a trainer', () => {
  it('exits by itself, after everything it requested', async () => {
    const { ended } = run(`
      const trainer = await Trainer.start(options);
      for await (const { epoch } of trainer.fit({ epochs: 2 })) console.log(epoch);
      console.log((await trainer.predict(data.test.inputs)).length);`);
    expect(await ended).toEqual({ code: 0, output: '1\n2\n16\n' });
  });

  it('exits by itself after a failed run, too', async () => {
    const { ended } = run(`
      const layer = ${JSON.stringify(FATAL_LAYER)};
      const fatal = nn.custom(new URL(layer), { way: 'loop', when: 'train', replica: 3 });
      const doomed = { ...options, model: nn.sequential([fatal, model]), timeoutMs: 300 };
      const trainer = await Trainer.start(doomed);
      const stopped = await trainer.fit({ epochs: 2 }).next().catch((error) => error.message);
      console.log(stopped);`);
    const { code, output } = await ended;
    expect(code).toBe(0);
    expect(output).toContain('rank 1');
  });

  it('need not close it with await using', async () => {
    const { ended } = run(`
      const trainer = await Trainer.start(options);
      await trainer[Symbol.asyncDispose]();
      await trainer.evaluate().catch((error) => console.log(error.message));`);
    expect(await ended).toEqual({ code: 0, output: 'the gang is closed.\n' });
  });
});
