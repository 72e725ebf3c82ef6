// The launched job that normalizes for the experiment `peers`.

import { normalizeOurs } from '../src/experiments/peers/ours.ts';

export default normalizeOurs;
