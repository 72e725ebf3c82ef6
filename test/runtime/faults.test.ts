import { describeDeaths } from './launchDeaths.ts';

describeDeaths(16);
