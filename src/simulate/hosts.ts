// A step of this library on several hosts, one process each, all on one link. A process computes
// its share of the global batch, which is measured. Each exchange of the step is added: its
// latency, and the bytes that the busiest host sends or receives over its network card, which all
// of its messages share. The exchanges come from the plans of the processes.

import { checkRunConfig, type RunConfig } from '../plan/config.ts';
import { type StepExchange, stepExchanges, trafficOf } from '../plan/exchanges.ts';
import { planRun, type RunPlan } from '../plan/plan.ts';
import { type Link, usPerByte } from './links.ts';

/** What the most loaded host computes in a step. */
export interface HostShare {
  readonly samples: number;
  readonly grains: number;
  readonly workers: number;
}

/** An exchange as the link sees it. */
export interface HostExchange {
  readonly part: StepExchange['part'];
  /** The most bytes that any host sends or receives. */
  readonly cardBytes: number;
}

/** A run on a number of hosts, before anything is measured. */
export interface HostsPlan {
  readonly hosts: number;
  readonly share: HostShare;
  readonly exchanges: readonly HostExchange[];
}

/** A predicted step. The parts add up to `ms`. */
export interface HostsPrediction {
  readonly hosts: number;
  /** Samples of the most loaded host. */
  readonly samples: number;
  readonly workers: number;
  readonly ms: number;
  readonly computeMs: number;
  readonly statisticsMs: number;
  readonly gradientsMs: number;
  readonly exchanges: number;
  /** Bytes over a host's card in one direction. */
  readonly cardBytes: number;
  readonly imagesPerSecond: number;
  /** Images per second divided by those of one host times the number of hosts. */
  readonly efficiency: number;
}

/** Plans a run, given as one process has it, for a number of hosts with equally many workers.
 * Throws a UsageError if the batch has too few grains for them. */
export function planHosts(config: RunConfig, hosts: number): HostsPlan {
  const workers = Array.from({ length: hosts }, () => config.workers);
  const plans = workers.map((_, process) => {
    const placed = { ...config, place: { process, workers } };
    checkRunConfig(placed);
    return planRun(placed);
  });
  const shares = plans.map(shareOf);
  const samples = Math.max(...shares.map((share) => share.samples));
  const traffic = plans.map((plan) =>
    stepExchanges(plan).map((exchange) => {
      const { sentBytes, receivedBytes } = trafficOf(exchange);
      return { part: exchange.part, cardBytes: Math.max(sentBytes, receivedBytes) };
    }),
  );
  return {
    hosts,
    share: shares.find((share) => share.samples === samples)!,
    exchanges: traffic[0]!.map(({ part }, i) => ({
      part,
      cardBytes: Math.max(...traffic.map((own) => own[i]!.cardBytes)),
    })),
  };
}

function shareOf({ workers }: RunPlan): HostShare {
  const sum = (of: (worker: RunPlan['workers'][number]) => number): number =>
    workers.reduce((total, worker) => total + of(worker), 0);
  return {
    samples: sum((worker) =>
      worker.microBatches.reduce((samples, { size }) => samples + size.capacity, 0),
    ),
    grains: sum(({ grains }) => grains.hi - grains.lo),
    workers: workers.length,
  };
}

/** Predicts the steps of plans from the measured times of their shares. The first plan is for one
 * host. */
export function predictHosts(
  plans: readonly HostsPlan[],
  computeMs: readonly number[],
  { link, globalBatch }: { readonly link: Link; readonly globalBatch: number },
): readonly HostsPrediction[] {
  const aloneMs = computeMs[0]!;
  return plans.map(({ hosts, share, exchanges }, i) => {
    const statisticsMs = partMs(exchanges, link, ['statistics']);
    // Assumes that all of them wait for the end of backward. How much backward hides depends on
    // which layers hold the parameters, and is ignored.
    const gradientsMs = partMs(exchanges, link, ['gradients', 'foldedGradients']);
    const ms = computeMs[i]! + statisticsMs + gradientsMs;
    return {
      hosts,
      samples: share.samples,
      workers: share.workers,
      ms,
      computeMs: computeMs[i]!,
      statisticsMs,
      gradientsMs,
      exchanges: exchanges.length,
      cardBytes: exchanges.reduce((sum, { cardBytes }) => sum + cardBytes, 0),
      imagesPerSecond: (globalBatch * 1000) / ms,
      efficiency: aloneMs / (hosts * ms),
    };
  });
}

/** Milliseconds of the exchanges for these purposes, one after another. */
function partMs(
  exchanges: readonly HostExchange[],
  link: Link,
  parts: readonly StepExchange['part'][],
): number {
  const us = exchanges
    .filter(({ part }) => parts.includes(part))
    .reduce((sum, { cardBytes }) => sum + link.latencyUs + cardBytes * usPerByte(link), 0);
  return us / 1000;
}
