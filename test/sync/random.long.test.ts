import { describeMismatches, describeRandomCalls } from './randomCalls.ts';

describeRandomCalls(10_000);
describeMismatches(36);
