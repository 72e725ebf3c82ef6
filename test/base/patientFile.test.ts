import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PatientFile } from '../../src/base/patientFile.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-patient-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a patient file', () => {
  it('contains what was written, in order', () => {
    const path = join(folder, 'records');
    const fd = openSync(path, 'w');
    const file = new PatientFile({ fd, onTrouble: expect.unreachable });
    for (const record of [[1, 2], [], [3]]) file.write(Uint8Array.from(record));
    expect(file.end()).toBe(0);
    closeSync(fd);
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
  });

  it('reports a full disk once, and counts everything that it lost', () => {
    const fd = openSync('/dev/full', 'w');
    const troubles: string[] = [];
    const file = new PatientFile({ fd, onTrouble: (reason) => troubles.push(reason) });
    // More than the buffer holds.
    for (let i = 0; i < 5; i++) file.write(new Uint8Array(600_000));
    expect(file.end()).toBe(5);
    closeSync(fd);
    expect(troubles).toEqual([expect.stringContaining('ENOSPC')]);
  });
});
