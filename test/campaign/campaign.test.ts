import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { type Campaign, runCampaign } from './campaign.ts';

/** Fails if the dice show 0 of 3; counts 2 per case. */
const shaky: Campaign = {
  name: 'shaky',
  counts: 'throws',
  promise: 'It does not hold.',
  caseTimeoutMs: 50,
  async open() {
    return {
      async run(dice, index) {
        const thrown = dice.below(3);
        if (thrown === 0) throw new Error(`threw ${thrown} with ${dice.below(1e6)} in ${index}`);
        return 2;
      },
    };
  },
};

describe('a failing case', () => {
  const run = (limits: object) => runCampaign(shaky, 90, { seed: 5, limits });

  it('is reported with the command that repeats it, and can be repeated', async () => {
    const { failures, count, cases } = await run({ cases: 12 });
    expect(failures.length).toBeGreaterThan(0);
    expect(count).toBe(2 * (cases - failures.length));
    for (const { index, message, repeat } of failures) {
      expect(repeat).toBe(`npm run campaign -- shaky --seed 5 --only ${index}`);
      const again = await run({ only: index });
      expect(again.failures[0]!.message.split('\n')[0]).toBe(message.split('\n')[0]);
    }
  });

  it('may also be one that does not end', async () => {
    const hanging: Campaign = {
      ...shaky,
      open: async () => ({ run: () => new Promise<number>(() => {}) }),
    };
    const { failures } = await runCampaign(hanging, 90, { seed: 5, limits: { cases: 1 } });
    expect(failures[0]!.message).toContain('did not end within 50 ms');
  });

  it('leaves no folder, and too many of them end the campaign', async () => {
    const failing: Campaign = {
      ...shaky,
      name: 'failing',
      open: async () => ({ run: () => Promise.reject(new Error('no')) }),
    };
    const { cases } = await runCampaign(failing, 90, { seed: 5, limits: { minutes: 1 } });
    expect(cases).toBe(10);
    const left = readdirSync(tmpdir()).filter((name) => name.includes('campaign-failing'));
    expect(left).toEqual([]);
  });
});
