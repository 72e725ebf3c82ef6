import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { Flags, type RawFlags } from '../../src/cli/settings/flags.ts';
import { checkHostFlags, globalBatchFrom, linkFrom } from '../../src/cli/settings/hostsSettings.ts';
import { LINKS } from '../../src/simulate/links.ts';

describe('flags of hosts', () => {
  it.each<RawFlags>([
    {},
    { measure: true, inter: 'ib-ndr' },
    { measure: true, hosts: '2', link: 'ib-ndr', batch: '8', workers: '1', rounds: '3' },
  ])('%j fit together', (flags) => {
    expect(() => checkHostFlags(new Flags(flags))).not.toThrow();
  });

  it.each<[RawFlags, RegExp]>([
    [{ hosts: '2' }, /--hosts requires --measure/],
    [
      { hosts: '2', measure: true, inter: 'ib-ndr' },
      /--inter describes devices and cannot be combined with --hosts/,
    ],
    [
      { hosts: '2', measure: true, reports: true },
      /--reports describes devices and cannot be combined with --hosts/,
    ],
    [{ link: 'ib-ndr' }, /--link requires --hosts/],
    [{ measure: true, batch: '32' }, /--batch requires --hosts/],
  ])('%j do not', (flags, message) => {
    expect(() => checkHostFlags(new Flags(flags))).toThrow(UsageError);
    expect(() => checkHostFlags(new Flags(flags))).toThrow(message);
  });

  it('name a link preset', () => {
    expect(linkFrom(new Flags({})).link).toBe(LINKS['ethernet-10g']);
    expect(linkFrom(new Flags({ link: 'ib-edr' }))).toEqual({ link: LINKS['ib-edr'] });
  });

  it.each([
    [
      'ethernet-1',
      /--link ethernet-1: expected a file from syncbn doctor.*, got "ENOENT.*Try: --link eth/s,
    ],
    ['package.json', /^package\.json: expected .*, got "no line with the event mpi"/],
  ])('or a file of the doctor, which %s is not', (link, message) => {
    expect(() => linkFrom(new Flags({ link }))).toThrow(UsageError);
    expect(() => linkFrom(new Flags({ link }))).toThrow(message);
  });

  it('have the global batch of train by default', () => {
    expect(globalBatchFrom(new Flags({}))).toBe(128);
    expect(globalBatchFrom(new Flags({ batch: '48' }))).toBe(48);
  });
});
