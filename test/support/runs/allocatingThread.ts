// A thread that measures what training allocates in it.

import { parentPort, workerData } from 'node:worker_threads';
import { allocatedInSteps } from './allocated.ts';

parentPort!.postMessage(await allocatedInSteps(workerData));
