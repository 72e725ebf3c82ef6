import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/index.ts';
import { readSafetensors, writeSafetensors } from '../../src/interop/safetensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-safetensors-'));
const path = join(folder, 'x.safetensors');
afterAll(() => rmSync(folder, { recursive: true }));

/** The bytes of a file. */
function fileOf(header: string, data: Uint8Array | readonly number[], length?: bigint): Buffer {
  const json = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([prefix, json, Buffer.from(data as readonly number[])]);
}

async function readsAs(bytes: Uint8Array) {
  writeFileSync(path, bytes);
  const tensors = await readSafetensors(path, 'weights');
  return Object.fromEntries(tensors.map(({ name, values }) => [name, [...values]]));
}

const tensor = (dtype: string, shape: readonly number[], offsets: readonly number[]): string =>
  JSON.stringify({ dtype, shape, data_offsets: offsets });

describe('a safetensors file', () => {
  it('is written as by the safetensors library', async () => {
    const tensors = [
      { name: '10.w', type: 'F32', shape: [2], values: Float32Array.of(1, -2) },
      { name: '9.w', type: 'F32', shape: [1, 1], values: Float32Array.of(3) },
      { name: 'n', type: 'I64', shape: [], values: BigInt64Array.of(5n) },
    ] as const;
    await writeSafetensors(path, 'weights', { tensors, metadata: { format: 'pt' } });
    const header =
      '{"__metadata__":{"format":"pt"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},' +
      '"10.w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},' +
      '"9.w":{"dtype":"F32","shape":[1,1],"data_offsets":[16,20]}}';
    const data = [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0x40, 0x40];
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    expect(readFileSync(path)).toEqual(fileOf(padded, data));
    expect(await readsAs(readFileSync(path))).toEqual({ n: [5], '10.w': [1, -2], '9.w': [3] });
  });

  it('widens all half-precision values', async () => {
    const halves = [0x3c00, 0xc000, 0x3555, 0x0001, 0x83ff, 0x0000, 0x7c00, 0x7bff];
    const brains = [0x3f80, 0xc000, 0x0001, 0xff80];
    const data = Buffer.from(Uint16Array.from([...halves, ...brains]).buffer);
    const header = `{"h":${tensor('F16', [8], [0, 16])},"b":${tensor('BF16', [4], [16, 24])}}`;
    expect(await readsAs(fileOf(header, data))).toEqual({
      h: [1, -2, 0.333251953125, 2 ** -24, -1023 * 2 ** -24, 0, Infinity, 65504],
      b: [1, -2, 2 ** -133, -Infinity],
    });
  });

  it('converts other types to numbers', async () => {
    const header =
      `{"d":${tensor('F64', [1], [0, 8])},"i":${tensor('I32', [1], [8, 12])},` +
      `"u":${tensor('U8', [2, 1], [12, 14])},"e":${tensor('F32', [0, 3], [14, 14])}}`;
    const data = Buffer.concat([
      Buffer.from(Float64Array.of(0.1).buffer),
      Buffer.from(Int32Array.of(-7).buffer),
      Buffer.of(255, 1),
    ]);
    expect(await readsAs(fileOf(header, data))).toEqual({ d: [0.1], i: [-7], u: [255, 1], e: [] });
  });

  const f32 = tensor('F32', [1], [0, 4]);
  const four = [0, 0, 0, 0];
  it.each<[string, Uint8Array, RegExp]>([
    ['is empty', Buffer.alloc(0), /whole.*0 bytes/],
    ['is shorter than its header', fileOf('{}', [], 99n), /whole safetensors/],
    ['says that its header is huge', fileOf('{}', [], 2n ** 63n), /length of the header.*at most/],
    ['has no JSON', fileOf('{"a":', []), /header of weights/],
    ['begins with a space', fileOf(' {}', []), /header of weights/],
    ['has bytes that are not text', fileOf('{}', []).fill(0xff, 9), /UTF-8/],
    ['has a name twice', fileOf(`{"a":${f32},"\\u0061"  :${f32}}`, four), /"a" twice/],
    ['has a field twice', fileOf(`{"a":{"dtype":"F32",${f32.slice(1)}}`, four), /"dtype" twice/],
    ['nests deeply', fileOf('[{"a":'.repeat(5), []), /header of weights/],
    ['nests within a tensor', fileOf('{"a":{"shape":[[1]]}}', four), /more than 3 levels/],
    ['has parts without end', fileOf(`{"a":[${'[],'.repeat(200_000)}[]]}`, []), /65536 tensors/],
    ['has a long name', fileOf(`{"${'a'.repeat(2000)}":${f32}}`, four), /2000 characters/],
    ['has an open string', fileOf(`{"${'\\"'.repeat(50_000)}`, []), /header of weights/],
    ['has another field', fileOf(`{"a":{"x":1,${f32.slice(1)}}`, four), /a: .*an object of dtype/],
    ['has no tensor but a number', fileOf('{"a":1}', []), /a: expected .*, got 1/],
    ['has an unknown type', fileOf(`{"a":${tensor('F8_E4M3', [1], [0, 1])}}`, [0]), /dtype.*BF16/],
    ['has a negative size', fileOf(`{"a":${tensor('F32', [-1], [0, 4])}}`, four), /shape of/],
    [
      'has a size beyond all',
      fileOf(`{"a":${tensor('F32', [2 ** 53, 9], [0, 4])}}`, four),
      /shape/,
    ],
    [
      'has sizes whose product is huge',
      fileOf(`{"a":${tensor('F32', [2 ** 40, 2 ** 40], [0, 4])}}`, four),
      /data_offsets/,
    ],
    [
      'has more values than bytes',
      fileOf(`{"a":${tensor('F32', [2], [0, 4])}}`, four),
      /8.*4 bytes/,
    ],
    [
      'goes past its end',
      fileOf(`{"a":${f32}}`, [0, 0]),
      /4, according to its header.*2 bytes.*truncated/,
    ],
    ['goes on after its values', fileOf(`{"a":${f32}}`, [...four, 1]), /4.*5 bytes/],
    [
      'has overlaps',
      fileOf(`{"a":${f32},"b":${tensor('F32', [1], [2, 6])}}`, [...four, 0, 0]),
      /a and b overlap/,
    ],
    [
      'has holes',
      fileOf(`{"a":${f32},"b":${tensor('F32', [1], [6, 10])}}`, Buffer.alloc(10)),
      /a and b leave a hole/,
    ],
    ['has metadata of numbers', fileOf('{"__metadata__":{"n":1}}', []), /__metadata__/],
    [
      'has a count beyond 2^53',
      fileOf(`{"a":${tensor('I64', [], [0, 8])}}`, new Array(8).fill(0x7f)),
      /within 2\^53/,
    ],
  ])('that %s is refused', async (_name, bytes, message) => {
    const reading = readsAs(bytes);
    await expect(reading).rejects.toThrow(UsageError);
    await expect(reading).rejects.toThrow(message);
  });
});
