// Weights in safetensors files to damage.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nn, readWeights } from '../../src/index.ts';
import type { Dice } from './dice.ts';
import type { Target } from './fuzzTarget.ts';
import { mutateBytes, mutateData } from './mutations.ts';

/** The weights of a small net with all kinds of names. */
export function safetensorsTarget(folder: string): Target {
  const dir = join(folder, 'weights');
  mkdirSync(dir);
  const path = join(dir, 'x.safetensors');
  const model = nn.sequential([
    nn.conv2d(1, 2, { kernel: 3 }),
    nn.batchNorm(2),
    nn.flatten(),
    nn.linear(8, 4),
    nn.reshape([2, 2]),
    nn.gru(2, 2),
  ]);
  const tensors: readonly (readonly [name: string, type: string, shape: readonly number[]])[] = [
    ['module.0.weight', 'F32', [2, 1, 3, 3]],
    ['module.0.bias', 'F16', [2]],
    ['module.1.weight', 'BF16', [2]],
    ['module.1.bias', 'F32', [2]],
    ['module.1.running_mean', 'F32', [2]],
    ['module.1.running_var', 'F64', [2]],
    ['module.1.num_batches_tracked', 'I64', []],
    ['module.3.weight', 'F32', [4, 8]],
    ['module.3.bias', 'F32', [4]],
  ];
  const bytesOf: Readonly<Record<string, number>> = { F16: 2, BF16: 2, F32: 4, F64: 8, I64: 8 };
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const [name, dtype, shape] of tensors) {
    const start = end;
    end += bytesOf[dtype]! * shape.reduce((product, size) => product * size, 1);
    header[name] = { dtype, shape, data_offsets: [start, end] };
  }
  const values = Buffer.from(Uint8Array.from({ length: end }, (_, i) => (i * 5) % 64));
  const whole = safetensors(JSON.stringify(header), values);
  return {
    format: 'safetensors',
    attempt(dice) {
      const input = damaged(dice);
      return {
        input,
        async read() {
          writeFileSync(path, input);
          await readWeights(path, { model, inputShape: [4, 4, 1] });
        },
      };
    },
  };

  function damaged(dice: Dice): Uint8Array {
    if (dice.chance(0.4)) return mutateBytes(dice, whole);
    // Its length is that of the header, whatever the header contains.
    const changed = dice.chance(0.7) ? shallowText(mutateData(dice, header)) : undefined;
    const text = changed ?? Buffer.from(mutateBytes(dice, Buffer.from(JSON.stringify(header))));
    return safetensors(text, dice.chance(0.2) ? values.subarray(dice.below(40)) : values);
  }
}

/** Undefined for data that JSON.stringify cannot write. */
function shallowText(data: unknown): string | undefined {
  try {
    return JSON.stringify(data) ?? 'null';
  } catch {
    return undefined;
  }
}

function safetensors(header: string | Uint8Array, values: Uint8Array): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return new Uint8Array(Buffer.concat([length, text, values]));
}
