import { PROCESS_MUTANTS } from './processMutants.ts';
import { describeProcesses } from './processSchedules.ts';
import { describeMutants, describeSchedules } from './schedules.ts';

describeSchedules(150);
describeProcesses(300);
describeMutants(PROCESS_MUTANTS);
