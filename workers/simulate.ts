// The launched job that measures the machine.

import { probe } from '../src/simulate/probe.ts';

export default probe;
