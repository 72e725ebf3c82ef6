// What a run has decided from its validations, as checkpoints keep it, so that a resumed run
// decides the same. The weights of the best epoch are tensors next to the run's own.

import * as z from 'zod';
import { type BestEpoch, MONITORS, VALIDATION_SPLITS } from '../optim/monitor.ts';
import type { PlateauState } from '../optim/plateau.ts';

/** Parts are absent until a fit asks for them. */
export interface MonitorState {
  /** The best epoch so far; absent before the first validation. */
  readonly best?: BestEpoch;
  /** The state of a plateau schedule; absent for other schedules. */
  readonly plateau?: PlateauState;
}

const counts = z.number().int().nonnegative();
const value = z.number().nullable();

export const monitorSchema: z.ZodType<MonitorState> = z.strictObject({
  best: z
    .strictObject({
      monitor: z.enum(MONITORS),
      split: z.enum(VALIDATION_SPLITS),
      value,
      epoch: counts,
      step: counts,
      badEpochs: counts,
    })
    .exactOptional(),
  plateau: z
    .strictObject({ value, badEpochs: counts, learningRate: z.number().nonnegative() })
    .exactOptional(),
});
