// From the flags of `syncbn simulate --hosts` to a run on several hosts, and the link between them.

import { readFileSync } from 'node:fs';
import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { messageOf } from '../../base/showError.ts';
import { DEFAULT_REPLICA_BATCH, DEFAULT_REPLICAS } from '../../runtime/trainerOptions.ts';
import { type FittedLink, fitLink, parseDoctor } from '../../simulate/doctorLink.ts';
import { LINK_NAMES, LINKS, type Link } from '../../simulate/links.ts';
import type { Flags } from './flags.ts';

/** Flags only for devices. */
const DEVICE_FLAGS = [
  ...['device', 'devices', 'replica-batch', 'step-ms', 'call-us', 'per-node', 'intra', 'inter'],
  ...['cards', 'collective', 'statistics', 'group-size', 'bucket-mib', 'share'],
  ...['train-steps', 'replicas', 'reports'],
];
/** Flags only for hosts. */
const HOST_FLAGS = ['batch', 'workers', 'link'];
const DEFAULT_LINK = 'ethernet-10g';

/** Refuses flags that do not apply to hosts, or that apply only to hosts. */
export function checkHostFlags(flags: Flags): void {
  if (!flags.has('hosts')) {
    for (const flag of HOST_FLAGS) refuse(flags, flag, 'requires --hosts', '--hosts 2,4');
    return;
  }
  for (const flag of DEVICE_FLAGS) {
    refuse(flags, flag, 'describes devices and cannot be combined with --hosts');
  }
  if (flags.isSet('measure')) return;
  throw new UsageError({
    what: '--hosts',
    problem: "requires --measure, which times a host's share of a step on this machine",
  });
}

function refuse(flags: Flags, flag: string, problem: string, hint?: string): void {
  if (!flags.has(flag)) return;
  throw new UsageError({ what: `--${flag}`, problem, ...(hint !== undefined && { hint }) });
}

/** Samples per step over all hosts. */
export function globalBatchFrom(flags: Flags): number {
  return flags.integer('batch', 1) ?? DEFAULT_REPLICAS * DEFAULT_REPLICA_BATCH;
}

/** The link between hosts: a preset, or one that the doctor has measured. */
export function linkFrom(flags: Flags): {
  readonly link: Link;
  readonly fit: FittedLink | undefined;
} {
  const text = flags.text('link') ?? DEFAULT_LINK;
  const preset = LINK_NAMES.find((name) => name === text);
  if (preset !== undefined) return { link: LINKS[preset], fit: undefined };
  const fit = fitLink(text, parseDoctor(readLink(text), text));
  return { link: fit.link, fit };
}

function readLink(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const nearest = nearestWord(path, LINK_NAMES);
    throw new UsageError({
      what: `--link ${path}`,
      given: messageOf(error),
      allowed: `a file from syncbn doctor --mpi --json, or ${LINK_NAMES.join(', ')}`,
      ...(nearest !== undefined && { hint: `--link ${nearest}` }),
    });
  }
}
