// A pass with several exchanges as a list of pieces, some of which exchange. The list can run as a
// whole, or be cut at its exchanges.

import type { ExchangingPasses, SplitPass } from './reduction.ts';

/** A piece of a pass. `splits` is the same piece, cut at its exchanges. */
export interface PassPiece {
  run(): void;
  readonly splits?: readonly SplitPass[] | undefined;
}

/** Runs the pieces in order. */
export function runPieces(pieces: readonly PassPiece[]): void {
  for (let i = 0; i < pieces.length; i++) pieces[i]!.run();
}

/** Both passes of a layer, cut at their exchanges, or undefined if they have none. */
export function exchangingPieces(
  forward: readonly PassPiece[],
  backward: readonly PassPiece[],
): ExchangingPasses | undefined {
  const passes = { forward: splitsOf(forward), backward: splitsOf(backward) };
  if (passes.forward.length === 0 && passes.backward.length === 0) return undefined;
  return { ...passes, inEvaluation: false };
}

/** Code between two exchanges belongs to the second one; code after the last exchange belongs to
 * that one. */
function splitsOf(pieces: readonly PassPiece[]): readonly SplitPass[] {
  const splits = pieces.flatMap((piece) => piece.splits ?? []);
  const between: (() => void)[][] = [[]];
  for (const piece of pieces) {
    if (piece.splits === undefined || piece.splits.length === 0) {
      between.at(-1)!.push(() => piece.run());
      continue;
    }
    for (const split of piece.splits) {
      between.at(-1)!.push(split.before);
      between.push([split.after]);
    }
  }
  return splits.map(({ reduction }, i) => ({
    before: inOrder(between[i]!),
    reduction,
    after: i === splits.length - 1 ? inOrder(between[i + 1]!) : () => {},
  }));
}

function inOrder(calls: readonly (() => void)[]): () => void {
  return () => {
    for (let i = 0; i < calls.length; i++) calls[i]!();
  };
}
