// `npm run campaign -- <name> [--minutes m] [--cases n] [--seed s] [--only i] [--json]`: runs one
// campaign, or all of them in two lanes, reports progress, and ends with a table.

import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { CAMPAIGNS, isName, runAll } from './all.ts';
import { runCampaign } from './campaign.ts';
import { progressLine, report, showHelp } from './output.ts';

const DEFAULT_MINUTES = 5;
const DEFAULT_ALL_MINUTES = 60;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string' },
    cases: { type: 'string' },
    seed: { type: 'string', default: '7' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function numberOf(name: 'minutes' | 'cases' | 'seed' | 'only'): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  const isGood = name === 'minutes' ? value > 0 && Number.isFinite(value) : /^\d+$/.test(text);
  if (isGood) return value;
  console.error(`--${name}: expected a number, got ${text}`);
  process.exit(2);
}

const [name, ...others] = positionals;
if (values.help || name === undefined || others.length > 0 || (name !== 'all' && !isName(name))) {
  showHelp();
  process.exit(values.help ? 0 : 2);
}
const seed = numberOf('seed')!;
const only = numberOf('only');
const cases = numberOf('cases');
const minutes = numberOf('minutes');

if (name === 'all') {
  const outcomes = await runAll({ minutes: minutes ?? DEFAULT_ALL_MINUTES, seed });
  process.exitCode = report(outcomes, values.json);
} else {
  const number = CAMPAIGNS.findIndex((campaign) => campaign.name === name);
  const isCounted = only !== undefined || cases !== undefined;
  const limits = { only, cases, minutes: minutes ?? (isCounted ? undefined : DEFAULT_MINUTES) };
  const campaign = CAMPAIGNS[number]!;
  const missing = Object.keys(campaign.env ?? {}).filter((name) => process.env[name] === undefined);
  if (missing.length > 0) {
    const env = { ...process.env, ...campaign.env };
    const args = [...process.execArgv, ...process.argv.slice(1)];
    const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env });
    process.exit(status ?? 1);
  }
  const look = progressLine(campaign);
  const outcome = await runCampaign(campaign, number, { seed, limits, look });
  process.exitCode = report([outcome], values.json);
  // Threads that a failed case left must not keep the process.
  process.exit();
}
