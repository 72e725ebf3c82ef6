// The thread of a launched job.

import { serveLaunch } from '../src/runtime/launchWorker.ts';

export default serveLaunch;
