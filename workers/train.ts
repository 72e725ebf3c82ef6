// The thread of a trainer.

import { serveTraining } from '../src/runtime/trainWorker.ts';

export default serveTraining;
