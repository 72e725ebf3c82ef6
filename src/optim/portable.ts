// Powers and cosines from IEEE-exact operations only, so that learning rates and bias corrections
// have the same bits on every machine. The engine's Math.pow and Math.cos are only approximately
// specified.

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

/** x^y for x in [0, 1] and y > 0, with a relative error within 1e-14: e^(y ln x). */
export function power(x: number, y: number): number {
  if (x === 0) return 0;
  if (Number.isInteger(y)) return integerPower(x, y);
  return exponential(y * logarithm(x));
}

const SQRT_HALF = Math.SQRT1_2;
/** Enough for |s| <= 0.172, as x = m 2^e with m in [sqrt(1/2), sqrt(2)] gives. */
const LAST_ODD = 23;

/** ln(x) for x > 0: e ln 2 + 2 artanh(s), s = (m - 1) / (m + 1). */
function logarithm(x: number): number {
  let m = x;
  let e = 0;
  for (; m < SQRT_HALF; m *= 2) e--;
  const s = (m - 1) / (m + 1);
  let sum = 0;
  for (let n = LAST_ODD; n >= 1; n -= 2) sum = 1 / n + s * s * sum;
  return e * Math.LN2 + 2 * s * sum;
}

/** Enough for |rest| <= ln(2) / 2. */
const LAST_EXPONENTIAL_TERM = 15;

/** e^z for z <= 0: 2^k e^rest. */
function exponential(z: number): number {
  const k = Math.round(z / Math.LN2);
  const rest = z - k * Math.LN2;
  let sum = 1;
  for (let n = LAST_EXPONENTIAL_TERM; n >= 1; n--) sum = 1 + (rest / n) * sum;
  return sum * integerPower(0.5, -k);
}

const QUARTER = 0.25;
/** Enough for |angle| <= pi/4: the first omitted term is below 2^-56. */
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
