import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { type DoctorReport, fitLink, parseDoctor } from '../../src/simulate/doctorLink.ts';
import { LINK_NAMES, LINKS, usPerByte } from '../../src/simulate/links.ts';

const SIZES = [64, 1536, 8192, 65_536, 262_144, 1_048_576];

/** Exchanges between so many hosts that take exactly as long as a line says. */
function reportOf(hosts: readonly string[], time: (cardBytes: number) => number): DoctorReport {
  return {
    processes: hosts.map((host) => ({ host })),
    times: SIZES.map((sizeBytes) => ({ sizeBytes, mean: time((hosts.length - 1) * sizeBytes) })),
  };
}

describe('the link of the doctor', () => {
  it.each([
    [['a', 'b'], 50, 0.085],
    [['a', 'b', 'c', 'd'], 300, 0.0008],
    [['a', 'b'], 0.5, 0.0001],
  ] as const)('of %j is the line through exact times', (hosts, latencyUs, byteUs) => {
    const { link, points, isWithinHost } = fitLink(
      'doctor.json',
      reportOf(hosts, (cardBytes) => latencyUs + cardBytes * byteUs),
    );
    expect(link.latencyUs / latencyUs).toBeCloseTo(1, 6);
    expect(usPerByte(link) / byteUs).toBeCloseTo(1, 6);
    expect(points.map(({ sizeBytes }) => sizeBytes)).toEqual(SIZES);
    for (const { error } of points) expect(Math.abs(error)).toBeLessThan(1e-6);
    expect(isWithinHost).toBe(false);
  });

  it('errs equally in both directions if no line fits', () => {
    const report = reportOf(['a', 'b'], (cardBytes) => 100 + cardBytes * 0.1);
    const times = report.times.map((time, i) => ({ ...time, mean: time.mean * (i % 2 ? 2 : 0.5) }));
    const { points } = fitLink('doctor.json', { ...report, times });
    const sum = points.reduce((total, { error }) => total + Math.log1p(error), 0);
    expect(sum).toBeCloseTo(0, 9);
  });

  it('says if it is the memory of one host', () => {
    expect(
      fitLink(
        'x',
        reportOf(['a', 'a'], (bytes) => 2 + bytes),
      ).isWithinHost,
    ).toBe(true);
  });

  it.each([
    [reportOf(['a'], () => 1), /expected two or more.*, got "1 processes"/],
    [reportOf(['a', 'a', 'b'], (bytes) => bytes), /one process on each.*3 processes on 2 hosts/],
    [reportOf(['a', 'b'], (bytes) => 1 / bytes), /expected exchanges that take longer/],
    [{ processes: [{ host: 'a' }, { host: 'b' }], times: [] }, /exchanges of 0 sizes/],
  ])('is refused if nothing follows from the times', (report, message) => {
    expect(() => fitLink('doctor.json', report)).toThrow(UsageError);
    expect(() => fitLink('doctor.json', report)).toThrow(message);
  });
});

describe("the doctor's file", () => {
  const event = { event: 'mpi', ...reportOf(['a', 'b'], () => 1), isSame: true };

  it('is found among other output', () => {
    const lines = ['a warning', '{"event":"other"}', JSON.stringify(event), ''].join('\n');
    expect(parseDoctor(lines, 'doctor.json')).toEqual(reportOf(['a', 'b'], () => 1));
  });

  it.each([
    ['', /^doctor\.json: expected .*, got "no line with the event mpi".*Try: syncbn doctor --mpi/],
    ['{"event":"mpi"}', /^doctor\.json, processes: expected a list with the host.*, got undefined/],
    [
      '{"event":"mpi","processes":[{}],"times":[]}',
      /processes\[0\]\.host: expected .*, got undefined/,
    ],
    [
      '{"event":"mpi","processes":[],"times":[{"sizeBytes":64,"mean":-1}]}',
      /^doctor\.json, times\[0\]\.mean: expected a finite number above 0.*, got -1/,
    ],
  ])('%j is refused', (lines, message) => {
    expect(() => parseDoctor(lines, 'doctor.json')).toThrow(UsageError);
    expect(() => parseDoctor(lines, 'doctor.json')).toThrow(message);
  });
});

describe('link presets', () => {
  it.each(LINK_NAMES)('of %s give their sources', (name) => {
    const { source, share, latencyUs, gigabytesPerSecond } = LINKS[name];
    expect(source).toMatch(/latency: .*; bandwidth: /);
    expect(share).toBeLessThan(1);
    expect(latencyUs * gigabytesPerSecond).toBeGreaterThan(0);
  });

  it('match their names', () => {
    expect(LINKS['ethernet-100m'].gigabytesPerSecond).toBe(0.1 / 8);
    expect(LINKS['ethernet-1g'].gigabytesPerSecond).toBe(1 / 8);
  });
});
