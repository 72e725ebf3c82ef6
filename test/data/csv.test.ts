// Tables of text: columns, targets, and what is refused.

import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { type CsvOptions, parseCsv } from '../../src/data/formats/csv.ts';
import { readCsvDataset } from '../../src/data/formats/csvFiles.ts';
import { openDataset } from '../../src/data/open.ts';
import { folderOf } from '../support/dataFiles.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (text: string, options?: CsvOptions) => parseCsv(bytesOf(text), 'file', options);

describe('parseCsv', () => {
  it('reads columns of numbers and the named target', () => {
    const table = parse('a,price,b\n1,2.5,-3\n.5,4e2,+6.\n', { target: 'price' });
    expect(table).toMatchObject({ count: 2, columns: ['a', 'b'], target: 'price' });
    expect([...table.inputs]).toEqual([1, -3, 0.5, 6]);
    expect(table.targets.numbers).toEqual(Float64Array.of(2.5, 400));
  });

  it('recognizes a target by its name, and ignores columns', () => {
    const text = '\ufeffid;x;Label\r\nn7;1;cat\r\n\r\nn8;2;dog\r\nn9;3;cat';
    const { inputs, targets } = parse(text, { ignoreColumns: ['id'] });
    expect([...inputs]).toEqual([1, 2, 3]);
    expect(targets).toEqual({
      numbers: undefined,
      texts: ['cat', 'dog'],
      codes: Int32Array.of(0, 1, 0),
    });
  });

  it('reads quoted fields with separators, quotes and line breaks', () => {
    const text = 'x\t"the ""class"""\n"1"\t"a\tb"\n2\t"c\nd"\n3\t""\n';
    const table = () => parse(text, { target: 'the "class"' });
    expect(table).toThrow(/^column "the \\"class\\"" in line 5 of file: expected .*, got ""/);
    const { targets, inputs } = parse(text.slice(0, -5), { target: 'the "class"' });
    expect(targets.texts).toEqual(['a\tb', 'c\nd']);
    expect([...inputs]).toEqual([1, 2]);
  });

  const cases: [string, string, CsvOptions, RegExp][] = [
    ['an empty file', '', {}, /^file is empty/],
    [
      'no names',
      '1,2\n3,4\n',
      {},
      /^the first line of file: expected .*names of the columns.*, got /,
    ],
    ['a name twice', 'x,x,label\n', {}, /^columns of file: expected .*, got "\\"x\\" twice"/],
    ['no target', 'x,y\n1,2\n', {}, /^the target among .*Try: --target y/],
    [
      'another target',
      'x,y\n',
      { target: 'z' },
      /^column "z" of file: expected .*x, y.*, got "none"/,
    ],
    ['a target that is ignored', 'x,y\n', { target: 'y', ignoreColumns: ['y'] }, /^columns of/],
    ['no inputs', 'label\n1\n', {}, /^columns of file: expected .*, got "label"/],
    [
      'another number of fields',
      'x,label\n1,2\n1,2,3\n',
      {},
      /^line 3 of file: expected .*, got "3 fields"/,
    ],
    ['missing values', 'x,label\n1,2\n,2\n', {}, /^column "x" in line 3.*filling in/],
    [
      'text',
      'x,label\nred,2\n',
      {},
      /^column "x" in line 2 of file: expected .*, got "red".*ignore-columns x/,
    ],
    ['numbers that are none', 'x,label\n0x10,2\n', {}, /got "0x10"/],
    ['infinities', 'x,label\nInfinity,2\n', {}, /got "Infinity"/],
    [
      'a quote without an end',
      'x,label\n1,"2\n',
      {},
      /^line 2 of file: expected .*, got "a quote without/,
    ],
    ['text after quotes', 'x,label\n"1"2,2\n', {}, /^line 2 of file: expected .*, got "text after/],
    ['UTF-16', 'x\0,\0l\0', {}, /^file: expected .*, got "another encoding"/],
  ];
  it.each(cases)('refuses %s', (_, text, options, message) => {
    expect(() => parse(text, options)).toThrow(UsageError);
    expect(() => parse(text, options)).toThrow(message);
  });

  it('throws nothing but UsageError on any text', () => {
    const word = fc.constantFrom('x', 'label', ',', ';', '\t', '\n', '\r\n', '"', '1', '-2.5', ' ');
    const text = fc.array(word, { maxLength: 30 }).map((words) => words.join(''));
    const table = text.map((rest) => `x,label\n1,2\n${rest}`);
    fc.assert(
      fc.property(fc.oneof(text, table, fc.string()), (given) => {
        try {
          const { count, inputs, columns } = parse(given);
          expect(inputs).toHaveLength(count * columns.length);
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('readCsvDataset', () => {
  it('treats text as classes, in the order of their names', async () => {
    const dir = await folderOf({
      'train.csv': bytesOf('x,y,label\n0,10,dog\n2,10,cat\n'),
      'test.csv': bytesOf('label,y,x\nemu,10,1\n'),
    });
    const data = await openDataset(dir);
    expect(data).toMatchObject({
      inputShape: [2],
      inputType: 'f32',
      task: { kind: 'classification', classes: 3 },
      classNames: ['cat', 'dog', 'emu'],
      mean: [1, 10],
      std: [1, 1],
    });
    expect([...data.train.targets, ...data.test.targets]).toEqual([1, 0, 2]);
    expect([...data.test.inputs]).toEqual([1, 10]);
  });

  it('treats whole numbers as classes, or as numbers if requested, and fractions', async () => {
    const dir = await folderOf({
      'a.csv': bytesOf('x,rings\n1,0\n2,4\n3,2\n4,2\n'),
      'b.csv': bytesOf('x,rings\n1,0.5\n2,4\n'),
    });
    const [whole, real] = [join(dir, 'a.csv'), join(dir, 'b.csv')];
    const target = 'rings';
    const { task, test, name } = await openDataset(whole, { target, testSplit: 0.25 });
    expect([task, test.count, name]).toEqual([{ kind: 'classification', classes: 5 }, 1, 'a']);
    const { task: asked } = await openDataset(whole, { target, regression: true });
    expect(asked).toMatchObject({ kind: 'regression', mean: [2] });
    expect((await openDataset(real, { target })).task).toMatchObject({ kind: 'regression' });
  });

  it('refuses test columns with other names, and a regression on text', async () => {
    const dir = await folderOf({
      'train.csv': bytesOf('x,label\n1,a\n'),
      'test.csv': bytesOf('z,label\n1,a\n'),
    });
    await expect(readCsvDataset(dir)).rejects.toThrow(
      /^column "x" of .*test.csv: expected .*, got "none"/,
    );
    const alone = readCsvDataset(join(dir, 'train.csv'), { regression: true });
    await expect(alone).rejects.toThrow(/^column "label" of .*got "text"/);
  });
});
