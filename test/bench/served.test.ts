import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findJsPeers, torchProcesses } from '../../bench/peers.ts';
import { servePeer } from '../../bench/served.ts';

const figures = { imagesPerSecond: 1, msPerStep: { min: 1, p50: 1, p99: 1 } };
const ANSWERS = `
  process.stdin.on('data', (line) => {
    if (Number(line) > 5) { console.error('too long'); process.exit(1); }
    console.log(JSON.stringify({ ...${JSON.stringify(figures)}, asked: Number(line) }));
  });`;

describe('a served peer', () => {
  it('answers requests one after another, and ends when it is closed', async () => {
    const peer = servePeer('peer', process.execPath, ['-e', ANSWERS]);
    try {
      for (const seconds of [1, 2]) {
        expect(await peer.measure(seconds)).toEqual({ ...figures, asked: seconds });
      }
    } finally {
      await peer.close();
    }
  });

  it('throws what the peer wrote if it dies, and can then be closed', async () => {
    const peer = servePeer('peer', process.execPath, ['-e', ANSWERS]);
    await expect(peer.measure(6)).rejects.toThrow(/peer failed: too long/);
    await peer.close();
  });

  it('throws only the last lines if the peer wrote many', async () => {
    const program = "for (let i = 0; i < 9; i++) console.error('line', i); process.exit(1)";
    const peer = servePeer('peer', process.execPath, ['-e', program]);
    await expect(peer.measure(1)).rejects.toThrow(/failed: line 4\n.*\n.*\n.*\nline 8/);
    await peer.close();
  });

  it('throws if the peer is late, even if a child process holds its pipes', async () => {
    const program = `require('child_process').spawn(process.execPath,
      ['-e', 'process.stdin.on("end", () => process.exit()).resume()'], { stdio: 'inherit' });`;
    const peer = servePeer('peer', process.execPath, ['-e', program], 300);
    await expect(peer.measure(0)).rejects.toThrow(/peer did not answer within 0.3 s/);
    await peer.close();
  });

  it('throws if the answer is not JSON', async () => {
    const peer = servePeer('peer', process.execPath, ['-e', 'console.log("Hello!")']);
    await expect(peer.measure(1)).rejects.toThrow(/peer wrote "Hello!" instead of JSON/);
    await peer.close();
  });

  it('throws if the program does not exist', async () => {
    const peer = servePeer('peer', '/missing/program', []);
    await expect(peer.measure(1)).rejects.toThrow(/ENOENT/);
    await peer.close();
  });
});

describe('the peers of a setting', () => {
  const split = { net: 'refnet', norm: 'sync', replicas: 2, workers: 2, replicaBatch: 16 } as const;

  it('have as many processes as syncbn has replicas, or one for one worker', () => {
    expect(torchProcesses(split)).toBe(2);
    expect(torchProcesses({ ...split, workers: 1 })).toBe(1);
  });

  it('do not exist if they would compute something else or need too many processes', () => {
    expect(torchProcesses({ ...split, workers: 1, norm: 'local' })).toBeUndefined();
    expect(torchProcesses({ ...split, replicas: 64 })).toBeUndefined();
  });

  it('are missing in a folder without them', () => {
    const folder = mkdtempSync(join(tmpdir(), 'syncbn-peers-'));
    try {
      expect(findJsPeers(folder)).toEqual({ found: [], missing: ['convnetjs', 'tfjs-cpu'] });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
