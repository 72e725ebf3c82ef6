import { describeDeaths } from './launchDeaths.ts';

describeDeaths(80);
