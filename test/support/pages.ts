// The pages of documentation, and the programs in them.

import { filesBelow, textOf } from './sources.ts';

/** All pages, by their paths from the root. */
export const PAGES: readonly string[] = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CODE_OF_CONDUCT.md',
  'examples/README.md',
  ...[...filesBelow('docs'), ...filesBelow('bench')].filter((file) => file.endsWith('.md')).sort(),
];

/** The JavaScript programs of a page, whole or in part. */
export function programsOf(page: string): readonly string[] {
  return [...textOf(page).matchAll(/^```(?:js|ts)\n(.*?)^```/gms)].map((match) => match[1]!);
}

/** What a page shows after a command, up to the next one. */
export function shownAfter(page: string, command: string): string {
  const [, output] = textOf(page).split(`$ ${command}\n`);
  return /^(.*?)^(?:\$|```)/ms.exec(output!)![1]!;
}
