// `syncbn completion`: shell scripts that complete commands, flags and values. They are generated
// from the tables of commands and flags, and do not run syncbn to complete.

import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { screen } from '../output/screen.ts';
import { type Flag, flagsOf } from '../settings/flagText.ts';
import { type CommandText, commands } from './commands.ts';
import { SHELLS } from './helpWords.ts';

type Shell = (typeof SHELLS)[number];

/** Prints the script for a shell. */
export async function runCompletion(shell: string | undefined): Promise<number> {
  const found = SHELLS.find((name) => name === shell);
  if (found === undefined) {
    const hint = `syncbn completion ${(shell && nearestWord(shell, SHELLS)) ?? SHELLS[0]}`;
    const what = 'syncbn completion';
    if (shell === undefined) {
      throw new UsageError({ what, problem: `requires a shell: ${SHELLS.join(', ')}`, hint });
    }
    throw new UsageError({ what, given: shell, allowed: SHELLS.join(', '), hint });
  }
  screen.sayShown(SCRIPTS[found]().trimEnd());
  return 0;
}

const SCRIPTS: Readonly<Record<Shell, () => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

const names = commands.map(({ name }) => name);

/** The possible words of a flag's value; none for a switch. */
interface Values {
  readonly command: string;
  readonly flags: readonly Flag[];
  readonly argument: readonly string[];
}

const values: readonly Values[] = commands.map((command) => ({
  command: command.name,
  flags: flagsOf(command.groups),
  argument: argumentsOf(command),
}));

function argumentsOf({ arguments: [first] }: CommandText): readonly string[] {
  return first?.words ?? [];
}

/** Words contain only letters, digits and `-:.`, which have no special meaning in any shell. */
function bashScript(): string {
  const cases = values.map(
    ({ command, flags, argument }) => `    ${command})
      words="${argument.join(' ')}"
      flags="${flags.map(({ name }) => `--${name}`).join(' ')} --help"
      ;;`,
  );
  const taking = values.flatMap(({ command, flags }) =>
    flags
      .filter(({ kind, isOptional }) => kind !== 'switch' && !isOptional)
      .map(({ name, words, isPath }) => {
        const takes = isPath || words.length === 0 ? 'files' : 'words';
        return `    ${command}:--${name}) values="${words.join(' ')}"; takes=${takes} ;;`;
      }),
  );
  return `# bash completion for syncbn; made by syncbn completion bash
_syncbn() {
  local cur prev command words flags values takes
  COMPREPLY=()
  cur="\${COMP_WORDS[COMP_CWORD]}"
  prev="\${COMP_WORDS[COMP_CWORD-1]}"
  # bash splits --flag=value at the sign.
  if [[ $cur == "=" ]]; then
    cur=""
  elif [[ $prev == "=" ]]; then
    prev="\${COMP_WORDS[COMP_CWORD-2]}"
  fi
  command="\${COMP_WORDS[1]}"
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "${names.join(' ')} --help --version" -- "$cur"))
    return
  fi
  case "$command:$prev" in
${taking.join('\n')}
  esac
  if [[ -n $takes ]]; then
    [[ -n $values ]] && COMPREPLY=($(compgen -W "$values" -- "$cur"))
    [[ $takes == files ]] && COMPREPLY+=($(compgen -f -- "$cur"))
    return
  fi
  case "$command" in
${cases.join('\n')}
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  else
    [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$cur"))
    COMPREPLY+=($(compgen -f -- "$cur"))
  fi
}
complete -o filenames -F _syncbn syncbn
`;
}

function zshScript(): string {
  const cases = values.map(({ command, flags, argument }) => {
    const specs = flags.map((flag) => `      ${quoted(zshFlag(flag))}`);
    const first = argument.length === 0 ? '_files' : `{_values word ${argument.join(' ')}}`;
    return `    ${command})
    _arguments \\
${[...specs, `      ${quoted(`1:argument:${first}`)}`, `      '*:file:_files'`].join(' \\\n')}
    ;;`;
  });
  const described = commands.map(({ name, text }) => `    ${quoted(`${name}:${text}`)}`);
  return `#compdef syncbn
# zsh completion for syncbn; made by syncbn completion zsh
_syncbn() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
compdef _syncbn syncbn
`;
}

function zshFlag({ name, text, kind, isOptional, words, isPath }: Flag): string {
  const what = text.replace(/[\\[\]:]/g, (sign) => `\\${sign}`);
  if (kind === 'switch') return `--${name}[${what}]`;
  const action = words.length > 0 && !isPath ? `(${words.join(' ')})` : '_files';
  const path =
    words.length > 0 && isPath
      ? `{_alternative "words:word:(${words.join(' ')})" "files:file:_files"}`
      : action;
  return `--${name}[${what}]${isOptional ? '::' : ':'}${name}:${path}`;
}

function fishScript(): string {
  const lines = values.flatMap(({ command, flags, argument }) => {
    const of = `complete -c syncbn -n '__fish_seen_subcommand_from ${command}'`;
    const own = argument.length === 0 ? [] : [`${of} -a '${argument.join(' ')}'`];
    return [...own, ...flags.map((flag) => `${of} ${fishFlag(flag)}`)];
  });
  const described = commands.map(
    ({ name, text }) =>
      `complete -c syncbn -n __fish_use_subcommand -f -a ${name} -d ${fishQuoted(text)}`,
  );
  return `# fish completion for syncbn; made by syncbn completion fish
${[...described, ...lines].join('\n')}
`;
}

function fishFlag({ name, text, kind, isOptional, words }: Flag): string {
  const takes = kind === 'switch' || isOptional ? '' : ' -r';
  const known = words.length > 0 ? ` -a '${words.join(' ')}'` : '';
  return `-l ${name}${takes}${known} -d ${fishQuoted(text)}`;
}

/** In single quotes, for bash and zsh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
