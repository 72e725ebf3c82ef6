// The single table of flags that help, completion and settings files are made from.

import { describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/entry/commands.ts';
import { flagOf, flagsOf } from '../../src/cli/settings/flagText.ts';
import * as words from '../../src/cli/settings/flagWords.ts';
import { flagWord } from '../../src/cli/settings/kindFlags.ts';
import { NOTED_FLAGS } from '../../src/cli/settings/notedFlags.ts';
import { SWEPT_FLAGS } from '../../src/cli/settings/sweptFlags.ts';
import { EXPERIMENTS } from '../../src/experiments/runs/catalog.ts';
import { NORM_TARGETS } from '../../src/nn/convert/normRequest.ts';
import { MODEL_NAMES } from '../../src/nn/models/models.ts';
import { LR_SCALING_RULES } from '../../src/optim/lrScaling.ts';
import { MONITORS, VALIDATION_SPLITS } from '../../src/optim/monitor.ts';
import { SCHEDULE_NAMES } from '../../src/optim/schedule.ts';
import { ON_NON_FINITE } from '../../src/plan/onNonFinite.ts';
import { DEVICE_NAMES } from '../../src/simulate/devices.ts';
import { LINK_NAMES } from '../../src/simulate/links.ts';

const sorted = (list: readonly string[]): readonly string[] => [...list].sort();
const train = flagsOf(commands.find(({ name }) => name === 'train')!.groups);

describe('the words of a flag', () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ['models', words.MODEL_WORDS, MODEL_NAMES],
    ['norms', words.NORM_WORDS, NORM_TARGETS],
    ['schedules', words.SCHEDULE_WORDS, SCHEDULE_NAMES.map(flagWord)],
    ['experiments', words.EXPERIMENT_WORDS, EXPERIMENTS.map(({ name }) => name)],
    ['devices', words.DEVICE_WORDS, DEVICE_NAMES],
    ['links', words.LINK_WORDS, LINK_NAMES],
  ])('are the %s of the library', (_, here, there) => {
    expect(sorted(here)).toEqual(sorted(there));
  });

  it.each<[string, readonly string[]]>([
    ['monitor', MONITORS],
    ['validate', VALIDATION_SPLITS],
    ['on-non-finite', ON_NON_FINITE],
    ['lr-scaling', LR_SCALING_RULES],
  ])('--%s are those that it takes', (name, there) => {
    expect(train.find((flag) => flag.name === name)!.words).toEqual(there);
  });
});

describe('the flags that checkpoints note', () => {
  it('are flags of train, with values of their kinds', () => {
    const kinds = train.map(({ name, kind }) => [name, kind] as const);
    const known = kinds.filter(([name]) => Object.hasOwn(NOTED_FLAGS, name));
    expect(Object.fromEntries(known)).toEqual(NOTED_FLAGS);
  });
});

describe('the flags of every command', () => {
  it.each(commands)('$name are named once', ({ groups }) => {
    const names = flagsOf(groups).map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
  });

  it('of sweep are all that can take lists', () => {
    const names = flagsOf(commands.find(({ name }) => name === 'sweep')!.groups).map((f) => f.name);
    expect(SWEPT_FLAGS.filter((name) => !names.includes(name))).toEqual([]);
  });

  it.each([
    [['--flip', 'x'], { name: 'flip', kind: 'switch', isOptional: false, isPath: false }],
    [['--watch [port]', 'x'], { name: 'watch', kind: 'whole', isOptional: true }],
    [['--lr <rate>', 'x'], { kind: 'number' }],
    [['--betas <b1,b2>', 'x'], { kind: 'list' }],
    [['--model <name|file>', 'x', ['a']], { kind: 'text', isPath: true, words: ['a'] }],
  ] as const)('%j is read', (text, expected) => {
    expect(flagOf(text)).toMatchObject(expected);
  });
});
