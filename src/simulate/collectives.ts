// Closed forms of collectives over p devices in microseconds: latency per hop plus bytes per link
// (Thakur, Rabenseifner and Gropp 2005, section 3). Rings cost p - 1 hops per phase, trees log2 p;
// the double binary tree moves each byte twice (Sanders, Speck and Traeff 2009; NCCL since 2.4). A
// hierarchical collective runs a phase within nodes, one between them and one within. The cost of
// adding numbers is ignored, since the transfer of their bytes hides it.

import { InvariantError } from '../base/errors.ts';
import { type Link, RING_BASE_US, TREE_BASE_US, usPerByte } from './links.ts';

/** How devices are connected. */
export interface Cluster {
  readonly devicesPerNode: number;
  readonly intra: Link;
  readonly inter: Link;
  /** Network cards per node, each with the bandwidth of `inter`. */
  readonly cards: number;
}

export const ALGORITHMS = ['auto', 'ring', 'tree', 'hierarchical'] as const;
/** `auto` uses the cheapest of the others for each message, as NCCL does with its own model. */
export type Algorithm = (typeof ALGORITHMS)[number];

export type CollectiveKind = 'all-reduce' | 'all-gather';

/** One call. */
export interface Collective {
  readonly kind: CollectiveKind;
  /** Bytes that each device contributes. An all-gather leaves p times as many on each. */
  readonly bytes: number;
}

/** The layout of p devices: full nodes, of which the last one may be partly filled. */
interface Places {
  readonly devices: number;
  /** Devices per node. */
  readonly perNode: number;
  readonly nodes: number;
  /** Microseconds per byte between two devices of a node. */
  readonly intraUs: number;
  /** Microseconds per byte that one node sends to another over all its cards. */
  readonly interUs: number;
}

type Form = (places: Places, bytes: number, cluster: Cluster) => number;

/** Microseconds of a collective over a number of devices; 0 for a single one. */
export function collectiveUs(
  call: Collective,
  devices: number,
  cluster: Cluster,
  algorithm: Algorithm = 'auto',
): number {
  if (devices <= 1) return 0;
  const places = placesOf(devices, cluster);
  const { kind, bytes } = call;
  if (places.nodes === 1 && cluster.intra.kind === 'memory') {
    return memoryUs(kind, places, bytes, cluster.intra);
  }
  // Devices that share memory have no ring or tree within their node.
  const isMemory = cluster.intra.kind === 'memory';
  const names = isMemory ? (['hierarchical'] as const) : namesOf(algorithm);
  return Math.min(...names.map((name) => FORMS[kind][name](places, bytes, cluster)));
}

function namesOf(algorithm: Algorithm): readonly Exclude<Algorithm, 'auto'>[] {
  return algorithm === 'auto' ? ['ring', 'tree', 'hierarchical'] : [algorithm];
}

function placesOf(devices: number, cluster: Cluster): Places {
  const { devicesPerNode, cards, intra, inter } = cluster;
  const perNode = Math.min(devices, devicesPerNode);
  const nodes = Math.ceil(devices / devicesPerNode);
  if (!(perNode >= 1)) throw new InvariantError('devices per node', perNode, 'at least 1');
  return { devices, perNode, nodes, intraUs: usPerByte(intra), interUs: usPerByte(inter) / cards };
}

/** After a barrier, every device reads the others' numbers. In an all-reduce of large arrays, each
 * folds a slice, and all pass a second barrier before reading the slices. */
function memoryUs(kind: CollectiveKind, places: Places, bytes: number, link: Link): number {
  const { devices: p, intraUs } = places;
  if (kind === 'all-gather') return link.latencyUs + (p - 1) * bytes * intraUs;
  return 2 * link.latencyUs + ((2 * (p - 1)) / p) * bytes * intraUs;
}

const FORMS: Readonly<Record<CollectiveKind, Readonly<Record<Exclude<Algorithm, 'auto'>, Form>>>> =
  {
    'all-reduce': {
      // A reduce-scatter and an all-gather, p - 1 hops each, of which `nodes - 1` leave a node.
      ring: (places, bytes, cluster) => {
        const { devices: p } = places;
        return (
          RING_BASE_US +
          2 * ringHopsUs(places, cluster) +
          (2 * (p - 1) * bytes * slowest(places)) / p
        );
      },
      tree: (places, bytes, cluster) => {
        return TREE_BASE_US + 2 * treeHopsUs(places, cluster) + 2 * bytes * slowest(places);
      },
      // Reduce-scatter within nodes, all-reduce between them, all-gather within. All devices of a
      // node communicate with the other nodes simultaneously, each with its slice, and share the
      // cards.
      hierarchical: (places, bytes, cluster) => {
        const within = memoryOrRingPhaseUs(places, bytes, cluster);
        return RING_BASE_US + 2 * within + betweenUs(places, bytes, cluster);
      },
    },
    'all-gather': {
      ring: (places, bytes, cluster) =>
        RING_BASE_US + ringHopsUs(places, cluster) + (places.devices - 1) * bytes * slowest(places),
      // Recursive doubling: log2 p hops, each with twice as much data.
      tree: (places, bytes, cluster) =>
        TREE_BASE_US + treeHopsUs(places, cluster) + (places.devices - 1) * bytes * slowest(places),
      // First between nodes, then all of a node's data within it.
      hierarchical: (places, bytes, cluster) => {
        const { perNode: g, nodes, devices, intraUs, interUs } = places;
        const between =
          nodes === 1
            ? 0
            : Math.min(nodes - 1, log2Up(nodes)) * cluster.inter.latencyUs +
              (nodes - 1) * g * bytes * interUs;
        const hops = cluster.intra.kind === 'memory' ? Math.min(1, g - 1) : g - 1;
        const withinBytes = ((g - 1) / g) * devices * bytes;
        return RING_BASE_US + between + hops * cluster.intra.latencyUs + withinBytes * intraUs;
      },
    },
  };

/** The latency of one ring phase through all devices. */
function ringHopsUs({ devices, nodes }: Places, { intra, inter }: Cluster): number {
  const interHops = nodes > 1 ? nodes - 1 : 0;
  return (devices - 1 - interHops) * intra.latencyUs + interHops * inter.latencyUs;
}

/** The latency of one pass through a tree: within the node, then between nodes. */
function treeHopsUs({ perNode, nodes }: Places, { intra, inter }: Cluster): number {
  return log2Up(perNode) * intra.latencyUs + log2Up(nodes) * inter.latencyUs;
}

/** The cost per byte of the slowest link that all bytes pass. */
function slowest({ nodes, intraUs, interUs }: Places): number {
  return nodes > 1 ? Math.max(intraUs, interUs) : intraUs;
}

/** One phase, reduce-scatter or all-gather, within a node. */
function memoryOrRingPhaseUs(places: Places, bytes: number, { intra }: Cluster): number {
  const { perNode: g, intraUs } = places;
  const hops = intra.kind === 'memory' ? Math.min(1, g - 1) : g - 1;
  return hops * intra.latencyUs + (((g - 1) * bytes) / g) * intraUs;
}

/** An all-reduce between nodes, as a ring or a double binary tree, whichever is cheaper. */
function betweenUs({ nodes, interUs }: Places, bytes: number, { inter }: Cluster): number {
  if (nodes === 1) return 0;
  const ring = 2 * (nodes - 1) * inter.latencyUs + (2 * (nodes - 1) * bytes * interUs) / nodes;
  const tree = 2 * log2Up(nodes) * inter.latencyUs + 2 * bytes * interUs;
  return Math.min(ring, tree);
}

function log2Up(count: number): number {
  return Math.ceil(Math.log2(count));
}
