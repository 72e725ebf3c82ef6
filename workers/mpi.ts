// The thread that calls MPI for a main thread.

import { serveMpi } from '../src/runtime/mpiThread.ts';

serveMpi();
