// Checks untrusted plain data against a schema: one way to say what was wrong with it.

import type { z } from 'zod';
import { UsageError } from './errors.ts';

/** The checked data, or a {@link UsageError} that names the field; `what` names the whole. */
export function parseData<T>(schema: z.ZodType<T>, data: unknown, what: string): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue === undefined || issue.path.length === 0 ? '' : `, ${issue.path.join('.')}`;
  throw new UsageError({
    what: `${what}${field}`,
    given: data,
    allowed: issue?.message ?? 'another value',
  });
}
