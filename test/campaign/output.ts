// What a campaign shows: a line that grows on stderr, and at the end each failure, a table, and
// the exit code.

import { CAMPAIGNS } from './all.ts';
import type { Campaign, Look, Outcome } from './campaign.ts';

const EVERY_MS = 10_000;
const TERMINAL_EVERY_MS = 500;

/** Reports the progress of a campaign from time to time. */
export function progressLine(campaign: Campaign): Look {
  const { isTTY } = process.stderr;
  let told = performance.now();
  let countFailures = 0;
  return ({ cases, count, seconds, failures }) => {
    for (; countFailures < failures.length; countFailures++) {
      const { repeat, message } = failures[countFailures]!;
      console.error(`${isTTY ? '\r\u001b[K' : ''}FAILED: ${repeat}\n${message}`);
    }
    if (performance.now() - told < (isTTY ? TERMINAL_EVERY_MS : EVERY_MS)) return;
    told = performance.now();
    const done = `${count} ${campaign.counts} in ${cases} cases`;
    const text = `${campaign.name}: ${done}, ${failures.length} failed, ${seconds.toFixed(0)} s`;
    process.stderr.write(isTTY ? `\r\u001b[K${text}` : `${text}\n`);
  };
}

/** Prints the outcomes and returns the exit code. */
export function report(outcomes: readonly Outcome[], isJson: boolean): number {
  const failed = outcomes.some(({ failures }) => failures.length > 0);
  const isEmpty = outcomes.some(({ cases }) => cases === 0);
  if (isJson) {
    for (const outcome of outcomes) console.log(JSON.stringify(outcome));
    return failed || isEmpty ? 1 : 0;
  }
  console.log(`\n${table(outcomes)}`);
  for (const { failures } of outcomes) {
    for (const { message, repeat } of failures) console.log(`\nFAILED: ${repeat}\n${message}`);
  }
  return failed || isEmpty ? 1 : 0;
}

/** The outcomes as a table in Markdown, for docs/reliability.md. */
function table(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ name, counts, count, cases, seconds, failures, facts }) => [
    name,
    `${count.toLocaleString('en-US')} ${counts}`,
    `${cases.toLocaleString('en-US')}`,
    `${failures.length}`,
    `${(seconds / 60).toFixed(1)}`,
    Object.entries(facts)
      .map(([fact, value]) => `${value.toLocaleString('en-US')} ${fact}`)
      .join(', '),
  ]);
  const titles = ['campaign', 'counted', 'cases', 'failures', 'minutes', 'seen'];
  const lines = [titles, titles.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function showHelp(): void {
  const names = CAMPAIGNS.map(({ name }) => name);
  console.log(
    'npm run campaign -- <name> [--minutes m] [--cases n] [--seed s] [--only i] [--json]',
  );
  for (const { name, promise } of CAMPAIGNS) console.log(`  ${name.padEnd(8)}${promise}`);
  console.log(`  ${'all'.padEnd(8)}${names.join(', ')}, side by side; 60 minutes by default.`);
}
