// From JSON to optimizers and schedules, with the same checks as the builders that code uses.

import { z } from 'zod';
import { parseData } from '../base/parse.ts';
import { adam, adamw, type OptimizerSpec, sgd } from './optimizer.ts';
import { constant, cosine, type ScheduleSpec, step } from './schedule.ts';

const optional = z.number().exactOptional();
const rate = {
  lr: z.number(),
  weightDecay: optional,
  decayNormAndBias: z.boolean().exactOptional(),
};
const adamFields = { ...rate, betas: z.tuple([z.number(), z.number()]), eps: optional };

const optimizerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('sgd'),
    ...rate,
    momentum: optional,
    nesterov: z.boolean().exactOptional(),
  }),
  z.strictObject({ kind: z.literal('adam'), ...adamFields }),
  z.strictObject({ kind: z.literal('adamw'), ...adamFields }),
]);

const scheduleSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant'), warmupSteps: optional }),
  z.strictObject({ kind: z.literal('cosine'), warmupSteps: optional, minLr: optional }),
  z.strictObject({
    kind: z.literal('step'),
    warmupSteps: optional,
    gamma: optional,
    milestones: z.array(z.number()),
    stepSize: z.number().nullable(),
  }),
]);

/** An optimizer from JSON. Throws a UsageError. */
export function parseOptimizer(json: unknown): OptimizerSpec {
  const { kind, ...options } = parseData(optimizerSchema, json, 'optimizer');
  if (kind === 'sgd') return sgd(options);
  return kind === 'adam' ? adam(options) : adamw(options);
}

/** A schedule from JSON. Throws a UsageError. */
export function parseSchedule(json: unknown): ScheduleSpec {
  const spec = parseData(scheduleSchema, json, 'schedule');
  if (spec.kind === 'constant') return constant(spec);
  if (spec.kind === 'cosine') return cosine(spec);
  const { milestones, stepSize, kind: _kind, ...rest } = spec;
  return step({ ...rest, ...(stepSize === null ? { milestones } : { stepSize }) });
}
