// stdout and stderr of the command. All output goes through here: text is made safe for a terminal
// (text.ts), a progress bar stays below printed lines, and a failed stream (its reader left, the
// terminal is gone, the disk is full) is skipped. Output never ends a run.

import type { Writable } from 'node:stream';
import { LineFile } from './lineFile.ts';
import { shown, spellOut } from './text.ts';

/** Stays below all printed lines. */
export interface StatusLine {
  hide(): void;
  show(): void;
}

/** The used part of a process stream. */
export interface ScreenStream extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly fd?: number;
}

export interface ScreenOptions {
  readonly stdout: ScreenStream;
  readonly stderr: ScreenStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** If set and not empty, output is plain lines only. */
export const PLAIN_VARIABLE = 'SYNCBN_PLAIN';
/** Columns of anything that is not a terminal. */
const DEFAULT_COLUMNS = 80;
/** With fewer columns, nothing can be shown well. */
const MIN_COLUMNS = 40;

export class Screen {
  private readonly out: Channel;
  private readonly err: Channel;
  private readonly env: ScreenOptions['env'];
  private readonly stdout: ScreenStream;
  private readonly stderr: ScreenStream;
  private status: StatusLine | undefined;
  private isPlain = false;
  private isLinear = false;
  private isSilent = false;
  private troubleListener: ((message: string) => void) | undefined;

  constructor({ stdout, stderr, env }: ScreenOptions) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.env = env;
    this.out = new Channel('stdout', stdout, (message) => this.tellTrouble(message));
    this.err = new Channel('stderr', stderr, (message) => this.tellTrouble(message));
  }

  get isTerminal(): boolean {
    return this.stdout.isTTY === true && !this.isPlain;
  }

  /** From now on, stdout is not treated as a terminal. */
  goPlain(): void {
    this.isPlain = true;
    this.out.isPlain = true;
    this.err.isPlain = true;
  }

  /** From now on, output is plain lines for screen readers: no bars, no drawn tables, no colors,
   * nothing that is overwritten. */
  goLinear(): void {
    this.isLinear = true;
    this.goPlain();
  }

  /** Whether tables are drawn. */
  get drawsTables(): boolean {
    return !this.isLinear;
  }

  /** Whether a progress line on stderr can be overwritten. */
  get canRewrite(): boolean {
    return this.stderr.isTTY === true && !this.isPlain;
  }

  /** From now on, nothing is printed. */
  goSilent(): void {
    this.isSilent = true;
  }

  speakUp(): void {
    this.isSilent = false;
  }

  get columns(): number {
    return this.isPlain ? DEFAULT_COLUMNS : columnsOf(this.stdout);
  }

  /** The width of text lines on stdout. */
  get textColumns(): number {
    return this.out.columns;
  }

  get isColored(): boolean {
    return this.isTerminal && (this.env.NO_COLOR ?? '') === '';
  }

  /** Prints lines on stdout. */
  say(text: string): void {
    this.print(this.out, shown(text, this.isColored, this.out.columns));
  }

  /** Prints lines on stdout that are already safe, such as tables with safe cells. */
  sayShown(text: string): void {
    this.print(this.out, text);
  }

  /** Prints a line of JSON on stdout, without colors. Terminal control characters are escaped. */
  sayJson(value: object): void {
    this.print(this.out, spellOut(JSON.stringify(value)));
  }

  /** Prints lines on stderr. */
  warn(text: string): void {
    this.print(this.err, shown(text, false, this.err.columns));
  }

  /** Prints lines of any length on stderr; for --debug. */
  warnWhole(text: string): void {
    this.print(this.err, spellOut(text));
  }

  /** Draws a bar on stdout or stderr. */
  draw(to: 'stdout' | 'stderr', text: string): void {
    if (!this.isSilent) (to === 'stdout' ? this.out : this.err).writeRaw(text);
  }

  /** Keeps a line below all others; undefined removes it. */
  keepBelow(status: StatusLine | undefined): void {
    this.status = status;
  }

  /** Calls the listener if output fails during a run; returns a function that stops this. */
  onTrouble(listener: (message: string) => void): () => void {
    this.troubleListener = listener;
    return () => {
      this.troubleListener = undefined;
    };
  }

  /** Writes what is still waiting. Returns whether everything for stdout has been written; a reader
   * that left does not count. */
  end(): boolean {
    this.err.end();
    return this.out.end();
  }

  /** Waits until readers have received the output, or have left; for before the process ends. */
  async drained(): Promise<void> {
    await Promise.all([this.out.drained(), this.err.drained()]);
  }

  private print(channel: Channel, text: string): void {
    if (this.isSilent) return;
    this.status?.hide();
    channel.write(text);
    this.status?.show();
  }

  private tellTrouble(message: string): void {
    const listener = this.troubleListener;
    if (listener === undefined) return;
    this.warn(`syncbn: ${message}`);
    listener(message);
  }
}

/** A terminal whose size nothing has set says that it has none. */
function columnsOf({ columns = 0 }: ScreenStream): number {
  return columns === 0 ? DEFAULT_COLUMNS : Math.max(MIN_COLUMNS, columns);
}

/** One of the two streams. */
class Channel {
  private readonly name: string;
  private readonly stream: ScreenStream;
  private readonly file: LineFile | undefined;
  private readonly onTrouble: (message: string) => void;
  /** Whether its lines have any width although it looks like a terminal. */
  isPlain = false;
  /** Whether the reader at the other end is gone. */
  private isGone = false;

  constructor(name: string, stream: ScreenStream, onTrouble: (message: string) => void) {
    this.name = name;
    this.stream = stream;
    this.onTrouble = onTrouble;
    this.file = isFile(stream)
      ? new LineFile({
          fd: stream.fd!,
          onTrouble: (reason) =>
            onTrouble(
              `${name} cannot be written (${reason}); the run continues, and its lines wait.`,
            ),
          gapLine: (lines) => `syncbn: ${lines} lines are missing here.`,
        })
      : undefined;
    stream.on('error', (error) => this.leave(error));
  }

  /** The width of its lines: files and pipes take lines of any width. */
  get columns(): number {
    if (this.stream.isTTY !== true || this.isPlain) return Number.POSITIVE_INFINITY;
    return columnsOf(this.stream);
  }

  write(text: string): void {
    if (this.file !== undefined) this.file.write(text);
    else this.writeRaw(`${text}\n`);
  }

  /** A stream other than a file reports errors with an event. */
  writeRaw(text: string): void {
    if (!this.isGone) this.stream.write(text);
  }

  end(): boolean {
    return this.file === undefined || this.file.end() === 0;
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isGone || this.file !== undefined) resolve();
      else this.stream.write('', () => resolve());
    });
  }

  private leave(error: Error): void {
    if (this.isGone) return;
    this.isGone = true;
    this.onTrouble(`${this.name} is closed (${error.message}); the run continues without it.`);
  }
}

/** A file or a device such as /dev/full, which Node writes with system calls, like this code. */
function isFile(stream: ScreenStream): boolean {
  return '_type' in stream && stream._type === 'fs' && stream.fd !== undefined;
}

/** The screen of this process. */
export const screen = new Screen(process);

export const say = (text: string): void => screen.say(text);
export const warn = (text: string): void => screen.warn(text);
