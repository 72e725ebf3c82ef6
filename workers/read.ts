// Entry point of the thread that reads packed sets.

import { serveReading } from '../src/runtime/readingThread.ts';

export default serveReading;
