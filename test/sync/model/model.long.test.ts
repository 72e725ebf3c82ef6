import { PROCESS_MUTANTS } from './processMutants.ts';
import { describeProcesses, describeWorlds } from './processSchedules.ts';
import { describeMutants, describeSchedules } from './schedules.ts';

describeSchedules(150);
describeProcesses(300);
describeWorlds(150);
describeMutants(PROCESS_MUTANTS);
