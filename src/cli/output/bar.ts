// A progress bar that stays below all printed lines, and leaves nothing when it ends.

import type { Options, Preset, SingleBar } from 'cli-progress';
import { ownRequire } from '../../base/ownFile.ts';
import type { Screen } from './screen.ts';
import { shown } from './text.ts';

export type BarFields = Readonly<Record<string, string>>;

export interface BarOptions {
  /** The bar's format for cli-progress: `{bar} {percentage}%  {left}`. */
  readonly format: string;
  readonly size: number;
}

export class Bar {
  private readonly screen: Screen;
  private readonly options: BarOptions;
  private bar: SingleBar | undefined;
  private last: readonly [total: number, value: number, fields: BarFields] | undefined;

  constructor(screen: Screen, options: BarOptions) {
    this.screen = screen;
    this.options = options;
  }

  draw(total: number, value: number, fields: BarFields): void {
    const { isColored } = this.screen;
    const safe = Object.fromEntries(
      Object.entries(fields).map(([name, text]) => [name, shown(text, isColored)]),
    );
    const isNew = this.last === undefined;
    this.last = [total, value, safe];
    if (!isNew) {
      this.bar?.update(value, safe);
      return;
    }
    this.bar ??= makeBar(this.screen, this.options);
    this.show();
    this.screen.keepBelow({ hide: () => this.bar?.stop(), show: () => this.show() });
  }

  end(): void {
    if (this.last === undefined) return;
    this.last = undefined;
    this.screen.keepBelow(undefined);
    this.bar?.stop();
  }

  private show(): void {
    if (this.last !== undefined) this.bar?.start(...this.last);
  }
}

interface Library {
  readonly SingleBar: new (options: Options, preset: Preset) => SingleBar;
  readonly Presets: { readonly shades_classic: Preset };
}

/** Loads the bar library when there is something to draw. */
function makeBar(screen: Screen, { format, size }: BarOptions): SingleBar {
  const load = ownRequire() as (name: string) => Library;
  const { Presets, SingleBar } = load('cli-progress');
  // The stream interface that the library needs; the screen knows whether there is still a reader.
  const stream = {
    isTTY: true,
    write: (text: string): void => screen.draw('stdout', text),
    get columns() {
      return screen.columns;
    },
  };
  return new SingleBar(
    {
      format,
      barsize: size,
      autopadding: true,
      stream: stream as unknown as NodeJS.WritableStream,
      hideCursor: true,
      stopOnComplete: false,
      clearOnComplete: true,
      fps: 10,
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
}
