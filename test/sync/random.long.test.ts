import { describeRandomCalls } from './randomCalls.ts';

describeRandomCalls(10_000);
