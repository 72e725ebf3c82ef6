// Layers side by side share one exchange in each pass of training: the first one's pass is cut
// where it exchanges, and the parts run where both layers' operands are there. Forward the exchange
// waits for the second layer, with whom the first one then ends; backward the first one takes its
// sums early, together with the second. Each layer computes what it would alone.

import type { ExchangingPasses, SplitPass } from './reduction.ts';

export interface Passes {
  forward(): void;
  backward(): void;
}

/** A layer of a pair: all of its passes, and those of training cut where they exchange. */
export interface ExchangingLayer extends Passes {
  readonly exchanging: ExchangingPasses;
}

/** One synchronization for both layers of a pair. */
export interface SharedExchanges {
  forward(): void;
  backward(): void;
}

/** The passes of two layers side by side, given in the order in which they run forward. Where one
 * of them needs no input gradient, only the forward passes share. */
export function shareExchanges(
  [first, second]: readonly [ExchangingLayer, ExchangingLayer],
  exchanges: SharedExchanges,
  isTraining: () => boolean,
): readonly [Passes, Passes] {
  const forward = [first.exchanging.forward, second.exchanging.forward] as const;
  const [firstBackward, secondBackward] = backwardPasses(first, second, exchanges.backward);
  return [
    {
      forward() {
        if (isTraining()) begin(forward[0]);
        else first.forward();
      },
      backward: firstBackward,
    },
    {
      forward() {
        if (!isTraining()) {
          second.forward();
          return;
        }
        begin(forward[1]);
        exchanges.forward();
        for (const { reduction, after } of forward) {
          reduction.finish();
          after();
        }
      },
      backward: secondBackward,
    },
  ];
}

/** Backward the second layer runs before the first one. */
function backwardPasses(
  first: ExchangingLayer,
  second: ExchangingLayer,
  exchange: () => void,
): readonly [first: () => void, second: () => void] {
  const ofFirst = first.exchanging.backward;
  const ofSecond = second.exchanging.backward;
  if (ofFirst === undefined || ofSecond === undefined) return [first.backward, second.backward];
  return [
    ofFirst.after,
    () => {
      begin(ofFirst);
      begin(ofSecond);
      exchange();
      ofFirst.reduction.finish();
      ofSecond.reduction.finish();
      ofSecond.after();
    },
  ];
}

function begin(pass: SplitPass): void {
  pass.before();
  pass.reduction.publish();
}
