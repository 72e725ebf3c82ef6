import { describe, expect, it } from 'vitest';
import { RunHistory } from '../../src/report/history.ts';
import { renderPage } from '../../src/report/page.ts';
import { runPage } from '../../src/report/runPage.ts';
import { progress, snapshot } from '../support/progress.ts';

const FACTS = {
  title: 'refnet on mnist',
  command: 'syncbn train --report r.html',
  settings: [['replicas', '8']] as const,
  globalBatch: 30,
};

describe('the curves of a run', () => {
  it("are the means since the previous look, computed from the epoch's means", () => {
    const history = new RunHistory(FACTS);
    history.addProgress(progress(1, 2), 1);
    history.addProgress(progress(3, 1.5), 3);
    // 90 samples with a mean of 1.5 are over; the last 10 bring the mean of all 100 to 1.4.
    history.addProgress(progress(4, 1.4, { kind: 'epoch', epoch: 1 }), 4);
    history.addProgress(progress(5, 0.7), 5);
    const points = history.loss.points();
    expect(points.map(({ x }) => x)).toEqual([1, 3, 4, 5]);
    [2, (1.5 * 90 - 2 * 30) / 60, (1.4 * 100 - 1.5 * 90) / 10, 0.7].forEach((loss, i) => {
      expect(points[i]!.y).toBeCloseTo(loss, 10);
    });
    expect(history.accuracy.points()[1]!.y).toBeCloseTo(points[1]!.y / 10, 10);
  });

  it('have the validation of each epoch, which the page plots next to training', () => {
    const history = new RunHistory(FACTS);
    const best = { monitor: 'loss', split: 'test', value: 0.5, epoch: 1, step: 4 } as const;
    for (const epoch of [1, 2]) {
      const validation = {
        loss: epoch / 2,
        headLosses: {},
        totalLoss: epoch / 2,
        accuracy: 1 / epoch,
        meanIou: epoch / 8,
        count: 9,
        seconds: 1,
        metrics: {},
      };
      const decided = { validation, best: { ...best, badEpochs: epoch - 1 } };
      history.addProgress(progress(4 * epoch - 1, 1, { epoch }), epoch);
      history.addProgress(progress(4 * epoch, 1, { kind: 'epoch', epoch, ...decided }), epoch);
    }
    expect(history.validationLoss.points()).toEqual([
      { x: 4, y: 0.5 },
      { x: 8, y: 1 },
    ]);
    expect(history.validationAccuracy.points()[1]).toEqual({ x: 8, y: 0.5 });
    expect(history.validationMeanIou.points()[1]).toEqual({ x: 8, y: 0.25 });
    const page = renderPage(runPage(history));
    expect(page).toContain('Training and validation loss');
    expect(page).toContain('best epoch by loss');
  });

  it('skip losses that a huge earlier one hides in the sum', () => {
    const history = new RunHistory(FACTS);
    history.addProgress(progress(1, 1e30), 1);
    history.addProgress(progress(2, 5e29), 2);
    history.addProgress(progress(5, 0.5), 5);
    expect(history.loss.points().map(({ x }) => x)).toEqual([1, 5]);
    expect(history.loss.countNotFinite).toBe(1);
  });

  it('measure speed over intervals of at least a second, excluding earlier steps', () => {
    const history = new RunHistory(FACTS);
    history.addProgress(progress(1000, 1), 0.1);
    history.addProgress(progress(1001, 1), 0.6);
    history.addProgress(progress(1004, 1), 2.1);
    expect(history.imagesPerSecond.points()).toEqual([{ x: 1004, y: (4 * 30) / 2 }]);
  });

  it('take each snapshot once', () => {
    const history = new RunHistory(FACTS);
    const norms = { step: 0, tensors: [{ name: '0.conv2d.weight', norm: 3 }] };
    history.addSnapshot(snapshot(0, 0.5), norms);
    history.addSnapshot(snapshot(0, 0.5), norms);
    history.addSnapshot(snapshot(50, 0.25), { ...norms, step: 50 });
    const shifts = history.layers.get('1.batchNorm')!.meanShift.points();
    expect(shifts).toEqual([
      { x: 0, y: 0.5 },
      { x: 50, y: 0.25 },
    ]);
    expect(
      history.gradients
        .get('0.conv2d.weight')!
        .points()
        .map(({ x }) => x),
    ).toEqual([0, 50]);
  });

  it('continue without accuracy, and count losses that are not numbers', () => {
    const history = new RunHistory(FACTS);
    history.addProgress(progress(1, Number.NaN, { accuracy: Number.NaN }), 1);
    history.addProgress(progress(2, Number.NaN, { accuracy: Number.NaN }), 2);
    expect(history.loss.countNotFinite).toBe(2);
    expect(history.accuracy.length + history.accuracy.countNotFinite).toBe(0);
  });
});

describe('the page of a run', () => {
  function pageOf(history: RunHistory): string {
    return renderPage(runPage(history));
  }

  it('shows what is known before the first step', () => {
    const html = pageOf(new RunHistory(FACTS));
    expect(html).toContain('running');
    expect(html).toContain('syncbn train --report r.html');
    expect(html).not.toContain('<svg');
  });

  it('shows curves, the last sample and the settings', () => {
    const history = new RunHistory(FACTS);
    for (let step = 1; step < 4; step++) history.addProgress(progress(step, 2 / step), 2 * step);
    for (const step of [0, 50]) {
      const tensors = [
        { name: '0.conv2d.weight', norm: 3 },
        { name: '0.conv2d.bias', norm: 0.125 },
      ];
      history.addSnapshot(snapshot(step, 0.5), { step, tensors });
    }
    const html = pageOf(history);
    for (const title of ['Training loss', 'Training accuracy', 'Speed', 'Learning rate']) {
      expect(html).toContain(`<title>${title}</title>`);
    }
    for (const title of ['Shift of the means', 'Ratio of the variances', 'Gradient norms']) {
      expect(html).toContain(`<title>${title}</title>`);
    }
    for (const text of ['1.batchNorm', 'x 1.5', '0.conv2d.bias', '0.125', 'replicas']) {
      expect(html).toContain(text);
    }
    expect(/>NaN<|undefined/.test(html)).toBe(false);
  });

  it.each([
    [{ kind: 'done', testLoss: 0.25, testAccuracy: 0.9123 }, ['done', '91.23 %', '0.25']],
    [
      {
        kind: 'done',
        testLoss: 0.25,
        testAccuracy: 0.9,
        testMeanIou: 0.4567,
        confusion: [[12345]],
      },
      ['test mIoU', '45.67 %', 'Test pixels by class', '12k'],
    ],
    [{ kind: 'failed', message: 'rank 1 <died>' }, ['failed', 'rank 1 &lt;died&gt;']],
    [{ kind: 'stopped' }, ['stopped', 'checkpoint']],
  ] as const)('says how the run ended: $0.kind', (state, texts) => {
    const history = new RunHistory(FACTS);
    history.state = state;
    const html = pageOf(history);
    for (const text of texts) expect(html).toContain(text);
  });

  it('draws no more lines than can be distinguished', () => {
    const history = new RunHistory(FACTS);
    for (const step of [0, 50]) {
      const tensors = Array.from({ length: 40 }, (_, i) => ({
        name: `${i}.linear.weight`,
        norm: 1,
      }));
      history.addSnapshot(undefined, { step, tensors });
    }
    const [, svg] = /(<svg.*?<\/svg>)/s.exec(pageOf(history))!;
    expect(svg!.match(/aria-label="line"/g)).toHaveLength(6);
    expect(svg).toContain('0.linear.weight');
    expect(svg).toContain('39.linear.weight');
  });
});
