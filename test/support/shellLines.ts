// The command lines on pages: in blocks of shell commands, set in by four spaces, and as code in
// sentences.

import { textOf } from './sources.ts';

/** A command line of a page. */
export interface ShellLine {
  readonly page: string;
  readonly line: string;
  /** Whether it is part of a sentence, which may leave values out. */
  readonly isQuoted: boolean;
  /** From the command on. */
  readonly words: readonly string[];
}

const BLOCK = /^```(\w*)\n(.*?)^```/gms;
const SHELLS = ['', 'sh', 'bash'];

/** The lines of a page that may be commands, without comments and prompts. */
function linesOf(page: string): readonly (readonly [line: string, isQuoted: boolean])[] {
  const text = textOf(page);
  const blocks = [...text.matchAll(BLOCK)].flatMap(([, language, block]) =>
    SHELLS.includes(language!) ? block!.replaceAll('\\\n', ' ').split('\n') : [],
  );
  const prose = text.replace(BLOCK, '');
  const inset = [...prose.matchAll(/^ {4}(\S.*)$/gm)].map(([, line]) => line!);
  const quoted = [...prose.matchAll(/(?<!`)`([^`]+)`(?!`)/g)].map(([, line]) => line!);
  return [
    ...[...blocks, ...inset].map((line) => [bare(line), false] as const),
    ...quoted.map((line) => [bare(line.replaceAll('\n', ' ')), true] as const),
  ];
}

function bare(line: string): string {
  return line
    .replace(/^\$ /, '')
    .replace(/(^|\s)#.*/, '')
    .trim();
}

/** The lines of a page that call a program, alone or through others such as mpirun. Their words end
 * where the shell's begin, as at a pipe. */
export function shellLines(page: string, program: RegExp): readonly ShellLine[] {
  return linesOf(page).flatMap(([line, isQuoted]) => {
    const found = program.exec(line);
    if (found === null) return [];
    const [command] = line.slice(found.index + found[0].length).split(/[;|>&]/);
    const words = [...command!.matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, plain]) => quoted ?? plain!,
    );
    return [{ page, line, isQuoted, words }];
  });
}
