import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { checkpointWriter } from '../../src/cli/commands/checkpointWriter.ts';
import type { RunEvent } from '../../src/cli/output/events.ts';
import type { Trainer } from '../../src/runtime/trainer.ts';

const full = new UsageError({ what: 'run.ckpt', problem: 'cannot be written: ENOSPC' });

/** A run with a full disk in some of its steps, and what it reports. */
function runOn(isFull: (step: number) => boolean) {
  const told: RunEvent[] = [];
  const trainer = {
    step: 0,
    async save() {
      if (isFull(trainer.step)) throw full;
    },
  };
  const plan = {
    path: 'run.ckpt',
    heldStep: undefined,
    keep: undefined,
    note: {},
    overwrite: false,
  };
  const writer = checkpointWriter(trainer as unknown as Trainer, plan, (event) => told.push(event));
  const writeAt = async (step: number): Promise<void> => {
    trainer.step = step;
    await writer.write();
  };
  return { told, writer, writeAt };
}

describe('the checkpoints of a run', () => {
  it('say once that they cannot be written, and when they can be written again', async () => {
    const { told, writer, writeAt } = runOn((step) => step >= 2 && step <= 4);
    for (let step = 1; step <= 6; step++) await writeAt(step);
    await writer.finish();
    const texts = told.map((event) => ('message' in event ? event.message : event));
    expect(texts).toEqual([
      { event: 'checkpoint', path: 'run.ckpt', step: 1 },
      'The checkpoint of step 2 was not written: run.ckpt cannot be written: ENOSPC. ' +
        'The run continues and tries again at the next one.',
      'Checkpoints are written again; the previous 3 were not.',
      { event: 'checkpoint', path: 'run.ckpt', step: 5 },
      { event: 'checkpoint', path: 'run.ckpt', step: 6 },
    ]);
  });

  it('are tried once more at the end, and a failure then fails the run', async () => {
    const lost = runOn(() => true);
    await lost.writeAt(7);
    await expect(lost.writer.finish()).rejects.toThrow(
      'The state of step 7 is lost: run.ckpt cannot be written: ENOSPC.',
    );
    expect(lost.told).toHaveLength(1);

    let tries = 0;
    const late = runOn(() => ++tries === 1);
    await late.writeAt(7);
    await late.writer.finish();
    expect(late.told.at(-1)).toEqual({ event: 'checkpoint', path: 'run.ckpt', step: 7 });
  });
});
