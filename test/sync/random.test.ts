import { describeMismatches, describeRandomCalls } from './randomCalls.ts';

describeRandomCalls(600);
describeMismatches(18);
