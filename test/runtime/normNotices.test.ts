// What is said of a run's normalizations before the first step, and when it is not.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import type { NormRequest } from '../../src/nn/convert/normRequest.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm, groupNorm } from '../../src/nn/specs/norms.ts';
import { gru } from '../../src/nn/specs/recurrent.ts';
import { reshape } from '../../src/nn/specs/reshape.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { noticesOf } from '../../src/runtime/notices.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { resolveOptions, type TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const data = synthetic({ train: 64, test: 8, shape: [4, 4, 1], classes: 4, seed: 3 });

function withNorms(...norms: readonly LayerSpec[]): LayerSpec {
  return sequential([flatten(), linear(16, 16), ...norms, linear(16, 4)]);
}

function optionsFor(model: LayerSpec, norm?: NormRequest): TrainerOptions {
  const run = { replicas: 4, globalBatch: 32, workers: 1 };
  return { model, data, optimizer: sgd({ lr: 0.1 }), ...run, ...(norm !== undefined && { norm }) };
}

function noticesFor(model: LayerSpec, norm?: NormRequest, changes: Partial<TrainerOptions> = {}) {
  const options = { ...optionsFor(model, norm), ...changes };
  return noticesOf({ config: resolveOptions(options), data, norm, resumed: undefined });
}

describe('batch norms that share nothing', () => {
  it('are named, with the scope of their statistics and how to change it', () => {
    const model = withNorms(batchNorm(16), batchRenorm(16), batchNorm(16, { sync: 'all' }));
    const [notice, ...others] = noticesFor(model);
    expect(notice).toMatch(/not synchronized in 2\.batchNorm, 3\.batchRenorm: each of the 4 rep/);
    expect(notice).toMatch(/its own 8 samples, not all 32 together/);
    expect(notice).toMatch(/norm: \{ to: 'sync' \} \(--norm sync\) .*sync: 'all'; .*--norm local/);
    expect(others).toEqual([]);
  });

  it('are counted, even inside recurrent layers', () => {
    const sequence = [reshape([4, 4]), gru(4, 16, { norm: 'batch' })];
    const model = sequential([...sequence, ...Array(4).fill(batchNorm(16)), linear(16, 4)]);
    expect(noticesFor(model)[0]).toContain('1.gru, 2.batchNorm, 3.batchNorm and 2 more: ');
  });

  it.each<[string, LayerSpec, NormRequest | undefined, Partial<TrainerOptions>]>([
    ['that were asked for', withNorms(batchNorm(16)), { to: 'local' }, {}],
    ['of one replica', withNorms(batchNorm(16)), undefined, { replicas: 1 }],
    ['over virtual batches', withNorms(batchNorm(16, { virtualBatch: 4 })), undefined, {}],
    ['that are frozen', withNorms(batchNorm(16, { frozen: true })), undefined, {}],
    ['that became synchronized', withNorms(batchNorm(16)), { to: 'sync' }, {}],
    ['that are none', withNorms(groupNorm(4, 16)), undefined, {}],
  ])('are not mentioned %s', (_, model, norm, changes) => {
    expect(noticesFor(model, norm, changes)).toEqual([]);
  });

  it('are mentioned by the Trainer at the start, and not again by a resume', async () => {
    const notices: string[] = [];
    const onNotice = (notice: string): void => void notices.push(notice);
    const model = withNorms(batchNorm(16));
    const trainer = await Trainer.start({ ...optionsFor(model), onNotice });
    const folder = mkdtempSync(join(tmpdir(), 'syncbn-notices-'));
    try {
      const path = join(folder, 'run.ckpt');
      await trainer.save(path);
      await trainer.close();
      expect(notices).toEqual(noticesFor(model));
      const resumed = await Trainer.resume(path, { data, workers: 1, onNotice });
      await resumed.close();
      expect(notices).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('norms that a conversion keeps', () => {
  const model = withNorms(batchNorm(16), groupNorm(4, 16), batchNorm(16, { frozen: true }));

  it('are named with their kinds, and with how to change them', () => {
    const [notice, ...others] = noticesFor(model, { to: 'sync' });
    expect(notice).toMatch(
      /keeps 3\.groupNorm \(groupNorm\), 4\.batchNorm \(frozenBatchNorm\) unchanged/,
    );
    expect(notice).toContain("kinds: 'all' (--norm-kinds all)");
    expect(others).toEqual([]);
  });

  it('are not mentioned if kinds select them, or if they have the requested kind', () => {
    expect(noticesFor(model, { to: 'sync', kinds: ['batchNorm'] })).toEqual([]);
    expect(noticesFor(withNorms(batchNorm(16), groupNorm(4, 16)), { to: 'group' })).toEqual([]);
  });
});
