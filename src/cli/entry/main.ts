// The command. Listens for signals before it loads what it runs. Ends the process itself once all
// output is written: a process that ends because nothing is left to do stops listening for signals
// before it is gone, and a signal would kill it then.

import { findLauncher } from '../../mpi/launcher.ts';
import { screen, warn } from '../output/screen.ts';
import { EXIT_FAILED } from '../process/failure.ts';
import { leave } from '../process/leave.ts';
import { listenToSignals } from '../process/signals.ts';

listenToSignals(findLauncher(process.env) === undefined ? [] : ['SIGUSR1']);
const { runCommand } = await import('./program.ts');
const code = await runCommand(process.argv);
const isWhole = screen.end();
if (!isWhole) warn('syncbn: stdout could not be written completely.');
await screen.drained();
leave(isWhole || code !== 0 ? code : EXIT_FAILED);
