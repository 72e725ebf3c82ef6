// Where a run of several processes starts. The first one reads and checks the files and sends the
// others what they need, so that only its host needs the checkpoint.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint } from '../../checkpoint/checkpointFile.ts';
import { gatherJson, type Network } from '../../runtime/network.ts';
import type { Flags } from './flags.ts';
import { type StartingPoint, startingPoint } from './startingPoint.ts';

export interface SharedPoint extends StartingPoint {
  /** Frees what was only needed to start. */
  release(): void;
}

/** What the first process sends to the others. */
type SaidPoint = Omit<StartingPoint, 'resumed'> & { readonly isResumed: boolean };

/** The starting point of this process. */
export async function sharedPoint(
  flags: Flags,
  network: Network | undefined,
  /** The state that surviving processes hold. */
  snapshot: Uint8Array | undefined,
): Promise<SharedPoint> {
  if (network === undefined) return { ...(await startingPoint(flags)), release() {} };
  if (snapshot !== undefined) return restartPoint(flags, snapshot);
  if (network.process === 0) {
    const point = await startingPoint(flags);
    const { resumed, ...rest } = point;
    await gatherJson<SaidPoint>(network, { ...rest, isResumed: resumed !== undefined });
    if (resumed !== undefined) await network.allGather(await readFile(resumed.path));
    return { ...point, release() {} };
  }
  const [said] = await gatherJson<SaidPoint | null>(network, null);
  const { isResumed, ...rest } = said!;
  if (!isResumed) return { ...rest, resumed: undefined, release() {} };
  const [bytes] = await network.allGather(new Uint8Array());
  return { ...rest, ...(await fromBytes(bytes!)) };
}

/** Where a run continues after losing a process. */
async function restartPoint(flags: Flags, snapshot: Uint8Array): Promise<SharedPoint> {
  const from = await fromBytes(snapshot);
  const { step } = from.resumed.saved.counters;
  return {
    ...from,
    isRestart: true,
    checkpoint: flags.text('checkpoint') ?? flags.text('resume-or-start') ?? flags.text('resume'),
    heldStep: undefined,
    notices: [`continues from step ${step}, which the processes had in memory.`],
  };
}

async function fromBytes(
  bytes: Uint8Array,
): Promise<Pick<SharedPoint, 'release'> & { resumed: NonNullable<StartingPoint['resumed']> }> {
  const folder = mkdtempSync(join(tmpdir(), 'syncbn-'));
  const path = join(folder, 'resumed.ckpt');
  writeFileSync(path, bytes);
  const release = (): void => rmSync(folder, { recursive: true, force: true });
  const { head: saved } = await openCheckpoint(path);
  return { resumed: { path, saved }, release };
}
