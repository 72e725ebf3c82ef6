// Powers and cosines from IEEE-exact operations alone, so that learning rates and bias corrections
// have the same bits on every machine; the engine's own Math.pow and Math.cos promise no more than
// "close".

/** x^n for a whole n >= 0, by squaring. */
export function integerPower(x: number, n: number): number {
  let result = 1;
  let square = x;
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}

const QUARTER = 0.25;
/** Enough for |angle| <= pi/4: the first term that is left out is below 2^-56. */
const LAST_TERM = 18;

/** cos(pi x) for x in [0, 1], within 4e-16: reflected into [0, 1/4], then Taylor's series. */
export function cosPi(x: number): number {
  if (x > 0.5) return -cosPi(1 - x);
  if (x <= QUARTER) return series(Math.PI * x, LAST_TERM);
  const angle = Math.PI * (0.5 - x);
  return angle * series(angle, LAST_TERM + 1);
}

/** 1 - a^2/((last-1) last) (...): cos(a) for an even last term, sin(a) / a for an odd one. */
function series(angle: number, lastTerm: number): number {
  const square = angle * angle;
  let sum = 1;
  for (let n = lastTerm; n >= 2; n -= 2) sum = 1 - (square / (n * (n - 1))) * sum;
  return sum;
}
