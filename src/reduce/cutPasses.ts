// Cuts the passes of layers into parts. A part ends where a worker's micro-batches have to meet
// because they share a vector. Otherwise the pass is one part, including its exchanges. Layers side
// by side share one exchange per training pass, which runs when both layers' operands are ready. In
// forward, the exchange waits for the second layer, and the first layer finishes with it. In
// backward, the first layer computes its sums early, together with the second. Each layer computes
// the same values as it would alone.

import { type BoundReduction, type ExchangingPasses, reduce, type SplitPass } from './reduction.ts';

/** A pass in parts. */
export interface CutPass {
  /** At least one. */
  readonly parts: readonly (() => void)[];
  /** One after each part but the last. Call it once, when all micro-batches have finished that
   * part. */
  readonly meetings: readonly (() => void)[];
}

export interface CutPasses {
  readonly forward: CutPass;
  readonly backward: CutPass;
}

/** A bound layer. */
export interface ExchangingLayer {
  forward(): void;
  backward(): void;
  readonly exchanging?: ExchangingPasses | undefined;
}

/** The exchanges of a pair of layers. Each is one synchronization for both. */
export interface SharedExchanges {
  forward(): void;
  backward(): void;
}

const NO_SPLITS: readonly SplitPass[] = [];

/** A pass without cuts. */
export function wholePass(run: () => void): CutPass {
  return { parts: [run], meetings: [] };
}

/** The passes of a layer. Outside training it exchanges only if it sets `inEvaluation`. */
export function cutPasses(layer: ExchangingLayer, isTraining: () => boolean): CutPasses {
  const { forward = NO_SPLITS, backward = NO_SPLITS } = layer.exchanging ?? {};
  return {
    forward: orWhole(cutSplits(forward), layer, isTraining),
    backward: backward.length > 0 ? cutSplits(backward) : wholePass(() => layer.backward()),
  };
}

/** In training, runs forward in parts; otherwise runs all of it in place of the last part. */
function orWhole(cut: CutPass, layer: ExchangingLayer, isTraining: () => boolean): CutPass {
  if (cut.parts.length === 0) return wholePass(() => layer.forward());
  const inEvaluation = layer.exchanging?.inEvaluation === true;
  const last = cut.parts.length - 1;
  return {
    parts: cut.parts.map((part, i) => () => {
      if (inEvaluation || isTraining()) part();
      else if (i === last) layer.forward();
    }),
    meetings: cut.meetings.map((meeting) => () => {
      if (inEvaluation || isTraining()) meeting();
    }),
  };
}

/** Cuts splits at the reductions over several micro-batches. */
function cutSplits(splits: readonly SplitPass[]): CutPass {
  if (splits.length === 0) return { parts: [], meetings: [] };
  const parts: (() => void)[][] = [[]];
  const meetings: (() => void)[] = [];
  for (const { before, reduction, after } of splits) {
    const { ofWorker } = reduction;
    parts.at(-1)!.push(before, () => reduction.publish());
    if (ofWorker === undefined) {
      parts.at(-1)!.push(
        () => reduction.exchange(),
        () => reduction.finish(),
        after,
      );
      continue;
    }
    parts.push([after]);
    meetings.push(() => reduce(ofWorker));
  }
  return { parts: parts.map(inOrder), meetings };
}

/** The passes of two layers side by side, in forward order, each with at most one exchange per
 * pass. If one of them needs no input gradient, only the forward passes share an exchange. */
export function cutPair(
  pair: readonly [ExchangingLayer, ExchangingLayer],
  exchanges: SharedExchanges,
  isTraining: () => boolean,
): readonly [CutPasses, CutPasses] {
  const [first, second] = pair;
  const [a, b] = pair.map(({ exchanging }) => exchanging!.forward[0]!) as [SplitPass, SplitPass];
  const endOfBoth = inOrder([a.after, b.after]);
  const [backwardOfFirst, backwardOfSecond] = cutPairBackward(pair, exchanges, isTraining);
  return [
    {
      forward: orWhole(
        wholePass(() => begin(a)),
        first,
        isTraining,
      ),
      backward: backwardOfFirst,
    },
    {
      forward: orWhole(
        cutTogether(() => begin(b), [a, b], exchanges.forward, endOfBoth),
        second,
        isTraining,
      ),
      backward: backwardOfSecond,
    },
  ];
}

/** In backward, the second layer runs before the first. */
function cutPairBackward(
  [first, second]: readonly [ExchangingLayer, ExchangingLayer],
  exchanges: SharedExchanges,
  isTraining: () => boolean,
): readonly [CutPass, CutPass] {
  const a = first.exchanging!.backward[0];
  const b = second.exchanging!.backward[0];
  if (a === undefined || b === undefined) {
    return [cutPasses(first, isTraining).backward, cutPasses(second, isTraining).backward];
  }
  const beginBoth = (): void => {
    begin(a);
    begin(b);
  };
  return [wholePass(a.after), cutTogether(beginBoth, [a, b], exchanges.backward, b.after)];
}

/** A pass with one exchange for two reductions. */
function cutTogether(
  before: () => void,
  splits: readonly [SplitPass, SplitPass],
  exchange: () => void,
  after: () => void,
): CutPass {
  const reductions = splits.map(({ reduction }) => reduction);
  const ofWorker = reductions.flatMap((reduction) => reduction.ofWorker ?? []);
  const alone = reductions.filter((reduction) => reduction.ofWorker === undefined);
  const end = (): void => {
    finishAll(alone);
    after();
  };
  if (ofWorker.length === 0) return wholePass(inOrder([before, exchange, end]));
  const meet = (): void => {
    for (let i = 0; i < ofWorker.length; i++) ofWorker[i]!.publish();
    exchange();
    finishAll(ofWorker);
  };
  return { parts: [before, end], meetings: [meet] };
}

function begin(pass: SplitPass): void {
  pass.before();
  pass.reduction.publish();
}

function finishAll(reductions: readonly BoundReduction[]): void {
  for (let i = 0; i < reductions.length; i++) reductions[i]!.finish();
}

function inOrder(calls: readonly (() => void)[]): () => void {
  return () => {
    for (let i = 0; i < calls.length; i++) calls[i]!();
  };
}
