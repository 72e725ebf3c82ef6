import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type {
  DiagnosticsEvent,
  DoneEvent,
  ProgressEvent,
  StartEvent,
} from '../../src/cli/output/events.ts';
import { Screen, type ScreenStream } from '../../src/cli/output/screen.ts';
import { printRows } from '../../src/cli/output/tables.ts';
import { terminalSink } from '../../src/cli/output/terminal.ts';
import { paint } from '../../src/cli/output/text.ts';
import { CLI, run } from '../support/cli.ts';

const COLUMNS = 80;
const SHOW_CURSOR = '\u001b[?25h';

/** A screen that keeps what it shows. */
function screenOf(isTTY: boolean, env: Readonly<Record<string, string>> = {}, columns = COLUMNS) {
  const texts = { out: '', err: '' };
  const stream = (name: 'out' | 'err'): ScreenStream =>
    Object.assign(
      new Writable({
        decodeStrings: false,
        write(text: string, _encoding, done) {
          texts[name] += text;
          done();
        },
      }),
      { isTTY, columns },
    );
  const screen = new Screen({ stdout: stream('out'), stderr: stream('err'), env });
  return { screen, texts };
}

const start: StartEvent = {
  event: 'start',
  data: 'mnist',
  model: 'refnet',
  norm: 'batchNorm (sync)',
  replicas: 8,
  workers: 2,
  processes: 1,
  hosts: ['here'],
  globalBatch: 128,
  optimizer: 'sgd',
  learningRate: 0.05,
  lrScaling: 'linear from a global batch of 256',
  schedule: 'cosine',
  epochs: 12,
  stepsPerEpoch: 100,
  step: 0,
  seed: 1,
  mode: 'fast',
  kernels: 'fast',
  whyNotWide: 'this is a test',
  parameters: 1234,
  memoryBytes: 5_000_000,
  microBatches: 1,
  parkedBytes: 0,
  dataBytes: 55_000_000,
  stream: null,
};
const progress: ProgressEvent = {
  event: 'progress',
  epoch: 12,
  epochs: 12,
  step: 1200,
  totalSteps: 1200,
  loss: 2.345678,
  accuracy: 0.98765,
  imagesPerSecond: 98765.4,
  seconds: 119.7,
  secondsLeft: 36_000,
  learningRate: 0.05,
  validation: null,
  best: null,
  stopsEarly: false,
};
const done: DoneEvent = {
  event: 'done',
  testAccuracy: 0.98764,
  testLoss: 0.043219,
  imagesPerSecond: 4321.5,
  seconds: 119.7,
  weightsHash: '0123456789abcdef'.repeat(4),
};

const quietLayer = {
  path: '1.batchNorm',
  worst: {
    replica: 0,
    meanShift: 0,
    varianceFactor: 1,
    conditioning: 0.5,
    deadShare: 0,
    nonFinite: 0,
  },
  replicas: [],
};
const diagnostics: DiagnosticsEvent = {
  event: 'diagnostics',
  step: 1150,
  layers: [
    quietLayer,
    {
      ...quietLayer,
      path: '4.batchNorm',
      worst: { ...quietLayer.worst, meanShift: 0.31234, varianceFactor: 1.5, deadShare: 0.125 },
    },
  ],
};

describe('on a terminal', () => {
  it('the bar fits a line and shows speed, loss, accuracy and the time left', () => {
    const { screen, texts } = screenOf(true);
    terminalSink(screen).take(progress);
    const line = lastBar(texts.out);
    expect(line).toMatch(/100%.*12\/12 +98765 img\/s +loss 2\.346 +acc 98\.8 % +10:00:00 left$/);
    expect(line.length).toBeLessThanOrEqual(COLUMNS);
  });

  it.each([
    [0, 80],
    [20, 40],
    [133, 133],
  ])('of %i columns, lines have up to %i', (columns, expected) => {
    expect(screenOf(true, {}, columns).screen.columns).toBe(expected);
  });

  it.each<[number | null, RegExp]>([
    [0, / 0:00 left$/],
    [61.2, / 1:02 left$/],
    [3599.5, / 1:00:00 left$/],
    [null, /acc -$/],
  ])('%o seconds left are shown as %o', (secondsLeft, text) => {
    const { screen, texts } = screenOf(true);
    const sink = terminalSink(screen);
    sink.take({ ...progress, secondsLeft, accuracy: null });
    expect(lastBar(texts.out)).toMatch(text);
    sink.close();
  });

  it('the cursor returns and the bar disappears, however a run ends', () => {
    for (const event of [done, { ...progress, event: 'stopped' } as const, undefined]) {
      const { screen, texts } = screenOf(true);
      const sink = terminalSink(screen);
      sink.take(progress);
      expect(texts.out).not.toContain(SHOW_CURSOR);
      if (event !== undefined) sink.take(event);
      sink.close();
      expect(texts.out).toContain(SHOW_CURSOR);
      const ended = texts.out.length;
      screen.say('the next line');
      expect(texts.out.slice(ended)).toBe('the next line\n');
    }
  });

  it('a line for each epoch stays above the bar, and so do notices', () => {
    const { screen, texts } = screenOf(true);
    const sink = terminalSink(screen);
    sink.take({ ...progress, step: 100, epoch: 1 });
    sink.take({ ...progress, event: 'epoch', step: 100, epoch: 1 });
    sink.take({ event: 'notice', message: 'a disk is full' });
    sink.take({ ...progress, step: 110, epoch: 2 });
    sink.close();
    expect(linesLeft(texts.out)).toEqual([
      'epoch 1/12 (step 100): loss 2.3457, acc 98.77 %, lr 0.05, 98765 img/s, 2 min 0 s',
    ]);
    expect(texts.err).toBe('syncbn: a disk is full\n');
  });

  it('the mean IoU of masks is shown for each validation and at the end', () => {
    const { screen, texts } = screenOf(false);
    const sink = terminalSink(screen);
    const validation = { loss: 0.25, accuracy: 0.875, meanIou: 0.4321, count: 9, seconds: 1 };
    sink.take({ ...progress, event: 'epoch', validation });
    sink.take({ ...done, averageLoss: 1, averageAccuracy: 1, averageMeanIou: 0.1234 });
    sink.take({ ...done, testMeanIou: 0.3456 });
    sink.close();
    expect(texts.out).toContain('validation loss 0.2500, acc 87.50 %, mIoU 43.21 %');
    expect(texts.out).toMatch(/mIoU of the average +\W +12.34 %/);
    expect(texts.out).toMatch(/test mIoU +\W +34.56 %/);
  });

  it('colors are shown unless NO_COLOR says otherwise', () => {
    const colored = screenOf(true);
    colored.screen.say(paint('green', 'ok'));
    expect(colored.texts.out).toBe('\u001b[32mok\u001b[39m\n');
    const plain = screenOf(true, { NO_COLOR: '1' });
    plain.screen.say(paint('green', 'ok'));
    expect(plain.texts.out).toBe('ok\n');
  });
});

/** The content of the line that was drawn last. */
function lastBar(written: string): string {
  return stripVTControlCharacters(written).trimEnd();
}

/** The lines that stay: completed ones, without text that was drawn over. */
function linesLeft(written: string): string[] {
  // What clears a line ends with the code for it.
  const clears = new RegExp(`${ESCAPE}\\[[02]?K`);
  return written
    .split('\n')
    .slice(0, -1)
    .map((line) => stripVTControlCharacters(line.split(clears).at(-1)!));
}

const ESCAPE = String.fromCharCode(27);

describe('elsewhere', () => {
  it('each epoch is a line without colors, and nothing is drawn', () => {
    const { screen, texts } = screenOf(false);
    const sink = terminalSink(screen);
    sink.take(start);
    sink.take(progress);
    sink.take({ ...progress, event: 'epoch' });
    sink.take({ event: 'checkpoint', path: 'run.ckpt', step: 1200 });
    sink.close();
    expect(texts.out).toBe(
      `refnet on mnist, batchNorm (sync), 1234 parameters
8 replicas on 2 workers, global batch 128
5.0 MB of shared memory, 55.0 MB of data
sgd, learning rate 0.05, scaled linear from a global batch of 256, cosine schedule
fast kernels (not wide: this is a test)
epoch 12/12 (step 1200): loss 2.3457, acc 98.77 %, lr 0.05, 98765 img/s, 2 min 0 s
Checkpoint of step 1200 written to run.ckpt.
`,
    );
  });
});

describe('a line of an epoch', () => {
  it('has its validation, whether it is the best, and why the run ends', () => {
    const { screen, texts } = screenOf(false);
    const best = { monitor: 'loss', split: 'test', value: 0.5, step: 100, badEpochs: 0 } as const;
    const validation = { loss: 0.5, accuracy: 0.75, count: 4, seconds: 1 };
    const epoch = { ...progress, event: 'epoch', step: 100, epoch: 1, validation } as const;
    const sink = terminalSink(screen);
    sink.take({ ...epoch, best: { ...best, epoch: 1 } });
    sink.take({ ...epoch, epoch: 2, best: { ...best, epoch: 1 }, stopsEarly: true });
    const line = '(step 100): loss 2.3457, acc 98.77 %, lr 0.05, 98765 img/s, 2 min 0 s';
    const validated = 'validation loss 0.5000, acc 75.00 %';
    expect(texts.out).toBe(`\
epoch 1/12 ${line}
  ${validated}, best so far
epoch 2/12 ${line}
  ${validated}
stopped early: no epoch was better than epoch 1
`);
  });
});

describe('the diagnostics', () => {
  const linesOf = (event: DiagnosticsEvent): string => {
    const { screen, texts } = screenOf(false);
    const sink = terminalSink(screen);
    sink.take(event);
    sink.close();
    return texts.out;
  };

  it('name the layer with the shards that are furthest from their groups', () => {
    expect(linesOf(diagnostics)).toBe(
      `batch statistics at step 1150, worst 4.batchNorm:
  means 0.312 std apart, variances x1.50, 12.5 % dead channels
`,
    );
  });

  it('say if each replica is its own group', () => {
    const text = linesOf({ ...diagnostics, layers: [quietLayer] });
    expect(text).toContain('worst 1.batchNorm:\n  each replica is its own sync group\n');
  });

  it('rank NaN and infinity first, and report means that are far from zero', () => {
    const worst = {
      ...quietLayer.worst,
      meanShift: Number.NaN,
      conditioning: 12_345,
      nonFinite: 3,
    };
    const text = linesOf({
      ...diagnostics,
      layers: [...diagnostics.layers, { ...quietLayer, path: '7.batchNorm', worst }],
    });
    expect(text).toContain(`worst 7.batchNorm:
  means - std apart, variances x1.00, |mean|/std 1.2e+4, 3 channels with NaN or infinity
`);
  });
});

describe('the table at the end', () => {
  it.each([
    [128, '8 x 16'],
    [100, '100 over 8'],
  ])('shows the result of a run with a global batch of %d', (globalBatch, batch) => {
    const { screen, texts } = screenOf(false);
    const sink = terminalSink(screen);
    sink.take({ ...start, globalBatch });
    sink.take(done);
    sink.close();
    const rows = texts.out
      .split('\n')
      .filter((line) => line.startsWith('│'))
      .map((line) => line.split('│').map((cell) => cell.trim()));
    expect(rows.map(([, result, value]) => [result, value])).toEqual([
      ['result', 'value'],
      ['test accuracy', '98.76 %'],
      ['test loss', '0.0432'],
      ['images/s', '4322'],
      ['training', '2 min 0 s'],
      ['norm', 'batchNorm (sync)'],
      ['replicas x batch', batch],
      ['workers', '2'],
      ['weights', '0123456789abcdef'],
    ]);
  });
});

describe('in plain mode', () => {
  it('a run is lines of text: no bar, no drawn table, no color, nothing written over', () => {
    const { screen, texts } = screenOf(true);
    screen.goLinear();
    const sink = terminalSink(screen);
    for (const event of [start, progress, { ...progress, event: 'epoch' } as const, done]) {
      sink.take(event);
    }
    sink.close();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    expect(texts.out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u2500-\u259f]/);
    expect(texts.out).toMatch(/^test accuracy: 98\.\d+ %\n/m);
    expect(screen.canRewrite).toBe(false);
  });

  it('a table of several columns says each title before its value', () => {
    const { screen, texts } = screenOf(true);
    screen.goLinear();
    printRows(
      ['layer', 'output', 'note'],
      [
        ['conv', '28x28x8', ''],
        ['relu', 4, 'in place'],
      ],
      screen,
    );
    expect(texts.out).toBe('layer conv; output 28x28x8\nlayer relu; output 4; note in place\n');
  });

  it.each([
    [['models', '--plain'], {}],
    [['models'], { SYNCBN_PLAIN: '1' }],
  ])('%j with %j draws nothing', async (args, env) => {
    const { stdout } = await run(process.execPath, [CLI, ...args], {
      env: { ...process.env, ...env },
    });
    expect(stdout).toMatch(/^model mnist-cnn; /m);
    expect(stdout).not.toMatch(/[\u2500-\u259f]/);
  });
});
