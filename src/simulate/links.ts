// What connects devices: latency and bandwidth of a link, and the presets with their sources. Data
// sheets give peaks; a link attains only a fraction of its peak.

/** The latency of a message, and the bandwidth. */
export interface Link {
  readonly name: string;
  /** `messages`: devices send to each other. `memory`: devices read each other's memory after a
   * barrier, as the workers of this library do. */
  readonly kind: 'messages' | 'memory';
  /** Latency of one hop; for `memory`, of one barrier. */
  readonly latencyUs: number;
  /** Peak bandwidth in one direction for one device (within a node) or one network card (between
   * nodes). */
  readonly gigabytesPerSecond: number;
  /** The fraction of the peak that is attained. */
  readonly share: number;
  /** Source of the two figures. */
  readonly source: string;
}

/** The fraction of a fast link's peak that large collectives attain. NCCL's own tuning model caps
 * the bus bandwidth of eight A100 at 235 GB/s of NVLink 3's 300 (src/graph/tuning.cc of NCCL
 * 2.8). */
const LINK_SHARE = 235 / 300;

/** The fixed cost of a collective, for its kernel and flags: 3.6 us for NCCL's ring, 4.4 us for its
 * tree (baseLat in the same file, low-latency protocol). */
export const RING_BASE_US = 3.6;
export const TREE_BASE_US = 4.4;

const NCCL = 'latency: NCCL 2.8, src/graph/tuning.cc, hwLat of the ring with the LL protocol';

export const LINK_NAMES = [
  'nvlink2',
  'nvlink3',
  'nvlink4',
  'pcie3',
  'pcie4',
  'pcie5',
  'ib-edr',
  'ib-hdr',
  'ib-ndr',
  'ethernet-100m',
  'ethernet-1g',
  'ethernet-10g',
  'ethernet-25g',
  'ethernet-100g',
] as const;
export type LinkName = (typeof LINK_NAMES)[number];

const NVLINK_US = 0.47;
const PCIE_US = 1;
const INFINIBAND_US = 2.7;
/** TCP through the kernel on both sides. Larsen et al. (2009) analyze a tuned 10 GbE pair and find
 * about 10 us one way; a switch and a node that also computes are assumed to double it. */
const ETHERNET_US = 20;
const ETHERNET = 'latency: assumed, twice the 10 us of Larsen et al. 2009; bandwidth: line rate';
/** The fraction of a slow Ethernet link that TCP attains. A full frame takes 1538 bytes on the wire
 * (IEEE 802.3: preamble, header, checksum and gap are 38), of which 1500 less 20 for IP, 20 for TCP
 * and 12 for time stamps are data. */
const FRAME_SHARE = 1448 / 1538;
const SLOW_ETHERNET = `${ETHERNET}, of which frames leave 1448 of 1538 bytes`;

export const LINKS: Readonly<Record<LinkName, Link>> = {
  nvlink2: messages('nvlink2', NVLINK_US, 150, `${NCCL}; bandwidth: V100 data sheet, 300 GB/s`),
  nvlink3: messages('nvlink3', NVLINK_US, 300, `${NCCL}; bandwidth: A100 data sheet, 600 GB/s`),
  nvlink4: messages('nvlink4', NVLINK_US, 450, `${NCCL}; bandwidth: H100 data sheet, 900 GB/s`),
  pcie3: messages('pcie3', PCIE_US, 15.75, `${NCCL}; bandwidth: PCI Express 3.0, 16 lanes`),
  pcie4: messages('pcie4', PCIE_US, 31.5, `${NCCL}; bandwidth: PCI Express 4.0, 16 lanes`),
  pcie5: messages('pcie5', PCIE_US, 63, `${NCCL}; bandwidth: PCI Express 5.0, 16 lanes`),
  'ib-edr': messages('ib-edr', INFINIBAND_US, 12.5, `${NCCL}; bandwidth: 100 Gb/s`),
  'ib-hdr': messages('ib-hdr', INFINIBAND_US, 25, `${NCCL}; bandwidth: 200 Gb/s`),
  'ib-ndr': messages('ib-ndr', INFINIBAND_US, 50, `${NCCL}; bandwidth: 400 Gb/s`),
  'ethernet-100m': messages('ethernet-100m', ETHERNET_US, 0.0125, SLOW_ETHERNET, FRAME_SHARE),
  'ethernet-1g': messages('ethernet-1g', ETHERNET_US, 0.125, SLOW_ETHERNET, FRAME_SHARE),
  'ethernet-10g': messages('ethernet-10g', ETHERNET_US, 1.25, ETHERNET),
  'ethernet-25g': messages('ethernet-25g', ETHERNET_US, 3.125, ETHERNET),
  'ethernet-100g': messages('ethernet-100g', ETHERNET_US, 12.5, ETHERNET),
};

function messages(
  name: LinkName,
  latencyUs: number,
  gigabytesPerSecond: number,
  source: string,
  share = LINK_SHARE,
): Link {
  return { name, kind: 'messages', latencyUs, gigabytesPerSecond, share, source };
}

/** Microseconds per byte at the attained bandwidth. 1 GB/s is 1000 bytes per microsecond. */
export function usPerByte({ gigabytesPerSecond, share }: Link): number {
  return 1 / (gigabytesPerSecond * 1000 * share);
}
