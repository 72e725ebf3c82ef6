// `syncbn verify`: the steps of a run again, on other splits and under another Node.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { syncbn } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-verify-'));
afterAll(() => rmSync(folder, { recursive: true }));

const DATA = ['--data', 'synthetic', '--limit', '60'];
const file = join(folder, 'run.ckpt');
const over = join(folder, 'over.ckpt');

beforeAll(async () => {
  const train = [
    'train',
    ...DATA,
    '--batch',
    '20',
    '--norm',
    'local',
    '--replicas',
    '4',
    '--strict',
  ];
  await syncbn([...train, '--epochs', '4', '--max-steps', '5', '--checkpoint', file]);
  await syncbn([...train, '--epochs', '1', '--checkpoint', over]);
});

it('compares workers, processes and another Node', async () => {
  const other = ['--node', process.execPath];
  const args = ['verify', file, ...DATA, '--steps', '2', '--workers', '2', ...other, '--json'];
  const { code, events } = await syncbn(args);
  const [verified] = events as [{ splits: readonly { split: string; difference?: object }[] }];
  expect(verified).toMatchObject({ event: 'verified', isSame: true, from: 5, steps: 2 });
  expect(verified.splits.map(({ split }) => split)).toEqual([
    '2 workers',
    '2 processes of 1 worker',
    '3 processes of 1 worker',
    process.execPath,
  ]);
  for (const { difference } of verified.splits) expect(difference).toBeUndefined();
  expect(code).toBe(0);
});

it('says which step and tensor first differ', async () => {
  // A Node that computes one weight otherwise from the second step on.
  const other = join(folder, 'node');
  const script = `#!${process.execPath}
const { execFileSync } = require('node:child_process');
const { execPath, argv } = process;
const said = JSON.parse(execFileSync(execPath, argv.slice(2), { encoding: 'utf8' }));
said.steps[1]['0.conv2d.weight'] = 'other';
console.log(JSON.stringify(said));
`;
  writeFileSync(other, script);
  chmodSync(other, 0o755);
  const args = ['verify', file, ...DATA, '--steps', '2', '--node', other, '--workers', '2'];
  const { code, events } = await syncbn([...args, '--json']);
  const [{ isSame, splits }] = events as [{ isSame: boolean; splits: readonly object[] }];
  expect(isSame).toBe(false);
  expect(splits[0]).toEqual({ split: '2 workers' });
  const difference = { step: 6, tensor: '0.conv2d.weight' };
  expect(splits[splits.length - 1]).toEqual({ split: other, difference });
  expect(code).toBe(1);
  const { stdout } = await syncbn(args);
  expect(stdout).toMatch(/2 workers +│ the same bits/);
  expect(stdout).toMatch(/2 steps from step 5 on differ/);
});

it.each([
  { given: 'no checkpoint', args: [], says: /syncbn verify requires the checkpoint/ },
  {
    given: 'a run that is over',
    args: [over, ...DATA],
    says: /is of a run that has ended, after 3/,
  },
  { given: 'no such Node', args: [file, ...DATA, '--node', '/nowhere'], says: /--node: expected/ },
])('refuses $given', async ({ args, says }) => {
  const { code, stderr } = await syncbn(['verify', ...args]);
  expect(stderr).toMatch(says);
  expect(code).toBe(2);
});
