import { describe, expect, it } from 'vitest';
import { LIBRARIES } from '../support/processes/mpirun.ts';
import { CAMPAIGNS } from './all.ts';
import { runCampaign } from './campaign.ts';

const SEED = 1;
/** How many cases of each campaign fit into seconds. */
const CASES: Readonly<Record<string, number>> = {
  bits: 3,
  deaths: 12,
  fuzz: 20,
  calls: 5,
  soak: 4,
  kills: 1,
  elastic: 2,
  ...(LIBRARIES.some(({ isHere }) => isHere) && { processes: 3 }),
};

describe('a short campaign of', () => {
  for (const [number, campaign] of CAMPAIGNS.entries()) {
    const cases = CASES[campaign.name];
    if (cases === undefined) continue;
    it(`${campaign.name}: ${campaign.promise}`, async () => {
      const outcome = await runCampaign(campaign, number, { seed: SEED, limits: { cases } });
      const told = outcome.failures.map(({ repeat, message }) => `${repeat}\n${message}`);
      expect(told.join('\n\n')).toBe('');
      expect(outcome.cases).toBe(cases);
      expect(outcome.count).toBeGreaterThan(0);
    }, 120_000);
  }
});
