// A model as a person would write it: without fields at their defaults, and with pairs of equal
// sizes as one number. Parsing restores the model; the forms define the defaults.

import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../../base/errors.ts';
import { isObject } from '../../base/parse.ts';
import type { LayerForm } from '../specs/form.ts';
import { layerForms } from '../specs/forms.ts';
import type { LayerSpec, LeafSpec } from '../specs/spec.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Plain data from which parseModel makes the same model. */
export function shortSpec(spec: LayerSpec): Fields {
  return shortened(spec) as Fields;
}

/** Specs that arrange others only lose fields that are null. */
function shortened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shortened);
  if (!isObject(value)) return value;
  const form = layerForms.find(({ kind }) => kind === value.kind);
  if (form !== undefined) return shortLeaf(form, value);
  const fields = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(fields.map(([name, field]) => [name, shortened(field)]));
}

function shortLeaf(form: LayerForm<LeafSpec>, leaf: Fields): Fields {
  const isSame = (json: Fields): boolean => {
    try {
      return isDeepStrictEqual(form.parse(json, form.kind), leaf);
    } catch (error) {
      if (error instanceof UsageError) return false;
      throw error;
    }
  };
  const { kind, ...options } = leaf;
  let short: Fields = options;
  for (const [name, value] of Object.entries(options)) {
    const { [name]: _field, ...others } = short;
    const shorter = [others, ...(isSquare(value) ? [{ ...short, [name]: value[0] }] : [])];
    short = shorter.find(isSame) ?? short;
  }
  return { kind, ...short };
}

function isSquare(value: unknown): value is readonly [number, number] {
  return Array.isArray(value) && value.length === 2 && value[0] === value[1];
}
