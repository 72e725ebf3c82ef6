// The pages in a real browser: Chromium, where the machine has it; otherwise these tests are
// skipped and say why.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium, type Page as Tab } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunHistory } from '../../src/report/history.ts';
import { serveLive } from '../../src/report/liveServer.ts';
import { renderPage } from '../../src/report/page.ts';
import { renderedSections, runPage } from '../../src/report/runPage.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const POINTS = 10_000;
/** Longer than this between two frames, and one sees it. */
const STUTTER_MS = 250;
/** What Chromium says when the page closes its stream of events, told that the run is over, before
 * the server's end of it has come. */
const CLOSED_BY_PAGE = 'net::ERR_ABORTED';
const SIZES = { desk: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } } as const;

function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const paths = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A run with this many points a curve, two norms and three parameters. */
function longRun(points: number): RunHistory {
  const history = new RunHistory({
    title: 'resnet20 on cifar-10',
    command: 'syncbn train --model resnet20 --data cifar-10-batches-bin --report run.html',
    settings: [['norms', 'a long list of layers, '.repeat(20)]],
    globalBatch: 1,
  });
  for (let step = 1; step <= points; step++) {
    const at = {
      epoch: 1,
      epochs: 1,
      step,
      totalSteps: points,
      samples: step,
      imagesPerSecond: 1,
      secondsLeft: 1,
    };
    const loss = 2 + Math.sin(step) / step;
    const rate = { learningRate: 0.1, seconds: step, diagnostics: undefined };
    const losses = { loss, headLosses: {}, totalLoss: loss };
    const none = { validation: undefined, best: undefined, stopsEarly: false };
    history.addProgress(
      { kind: 'progress', ...at, ...rate, ...none, ...losses, accuracy: 0.5 },
      step,
    );
    if (step % 50 !== 0) continue;
    const worst = { replica: 0, meanShift: 1 / step, varianceFactor: 1 + 1 / step };
    const rest = { conditioning: 1, deadShare: 0, nonFinite: 0 };
    const layers = ['1.batchNorm', '4.residual.body.1.batchNorm'].map((path) => ({
      path,
      worst: { ...worst, ...rest },
      replicas: [],
    }));
    const names = ['0.conv2d.weight', '0.conv2d.bias', '9.linear.weight'];
    const tensors = names.map((name, i) => ({ name, norm: (i + 1) / step }));
    history.addSnapshot({ step, layers }, { step, tensors });
  }
  return history;
}

const found = findChromium();
const why = found === undefined ? ' (skipped: no Chromium on the PATH)' : '';

describe.skipIf(found === undefined)(`in Chromium${why}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: found!, args: ['--no-sandbox'] });
  }, 60_000);
  afterAll(() => browser?.close());

  async function onTab(
    options: { readonly size: keyof typeof SIZES; readonly colorScheme: 'light' | 'dark' },
    test: (tab: Tab, problems: string[]) => Promise<void>,
  ): Promise<void> {
    const { size, colorScheme } = options;
    const context = await browser.newContext({ viewport: SIZES[size], colorScheme });
    const problems: string[] = [];
    try {
      const tab = await context.newPage();
      tab.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') {
          problems.push(message.text());
        }
      });
      tab.on('pageerror', (error) => problems.push(error.message));
      tab.on('requestfailed', (failed) => {
        const why = failed.failure()?.errorText;
        const isStream = new URL(failed.url()).pathname === '/events';
        if (isStream && why === CLOSED_BY_PAGE) return;
        problems.push(`${failed.url()} failed: ${why}`);
      });
      await test(tab, problems);
    } finally {
      await context.close();
    }
  }

  describe.each(['desk', 'phone'] as const)('at the width of a %s', (size) => {
    it.each(['light', 'dark'] as const)('the report is readable in %s', (colorScheme) =>
      onTab({ size, colorScheme }, async (tab, problems) => {
        await tab.setContent(renderPage(runPage(longRun(400))));
        const seen = await tab.evaluate(() => {
          const root = document.documentElement;
          const plots = Array.from(document.querySelectorAll<SVGSVGElement>('figure svg'));
          return {
            overflow: root.scrollWidth - root.clientWidth,
            plots: plots.map((plot) => plot.getBoundingClientRect().width),
            letters: plots.map((plot) => {
              const shrunk = plot.getBoundingClientRect().width / plot.viewBox.baseVal.width;
              return shrunk * Number.parseFloat(getComputedStyle(plot).fontSize);
            }),
            named: plots.filter((plot) => plot.querySelector('title')?.textContent !== '').length,
            headings: Array.from(document.querySelectorAll('h1, h2, h3'), ({ tagName }) => tagName),
            text: getComputedStyle(document.body).color,
            back: getComputedStyle(document.body).backgroundColor,
            axis: getComputedStyle(plots[0]!.querySelector('text')!).fill,
          };
        });
        expect(seen.overflow).toBe(0);
        expect(seen.plots).toHaveLength(7);
        expect(Math.min(...seen.plots)).toBeGreaterThan(300);
        expect(Math.min(...seen.letters)).toBeGreaterThan(10);
        expect(seen.named).toBe(7);
        expect(seen.headings).toEqual(['H1', ...Array.from({ length: 5 }, () => 'H2')]);
        const brightness = (color: string): number =>
          Math.max(...color.match(/\d+/g)!.slice(0, 3).map(Number));
        const [text, back] = [brightness(seen.text), brightness(seen.back)];
        const contrast = colorScheme === 'dark' ? text - back : back - text;
        expect(contrast).toBeGreaterThan(150);
        expect(Math.abs(brightness(seen.axis) - back)).toBeGreaterThan(150);
        expect(problems).toEqual([]);
      }),
    );
  });

  it('the live page shows new points during the run, and its end', () =>
    onTab({ size: 'desk', colorScheme: 'light' }, async (tab, problems) => {
      const history = longRun(100);
      const server = await serveLive({
        port: 0,
        page: () => runPage(history),
        sections: () => renderedSections(history),
      });
      try {
        await tab.goto(server.url);
        await tab.getByText('100 of 100', { exact: true }).waitFor();
        const place = await tab.evaluate(() => {
          scrollTo(0, 500);
          return scrollY;
        });
        history.addProgress(
          { ...history.progress!, step: 101, samples: 101, totalSteps: 200 },
          101,
        );
        server.changed();
        await tab.getByText('101 of 200', { exact: true }).waitFor();
        expect(await tab.evaluate(() => scrollY)).toBe(place);
        history.state = { kind: 'done', testLoss: 0.5, testAccuracy: 0.875 };
        await server.close();
        await tab.getByText('87.50 %').waitFor();
        await tab.getByText('The run is over').waitFor();
        expect(problems).toEqual([]);
      } finally {
        await server.close();
      }
    }));

  it(`a report with ${POINTS} points per curve scrolls without stutter`, () =>
    onTab({ size: 'desk', colorScheme: 'light' }, async (tab, problems) => {
      await tab.setContent(renderPage(runPage(longRun(POINTS))));
      const longest = await tab.evaluate(async () => {
        const frame = (): Promise<number> => new Promise((done) => requestAnimationFrame(done));
        const gaps: number[] = [];
        let before = await frame();
        for (let i = 0; i < 60; i++) {
          scrollBy(0, 60);
          const now = await frame();
          gaps.push(now - before);
          before = now;
        }
        return gaps.sort((a, b) => a - b).at(-3)!;
      });
      expect(longest).toBeLessThan(STUTTER_MS);
      expect(problems).toEqual([]);
    }));
});
