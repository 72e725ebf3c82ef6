// The flags of optimizers, schedules and clipping, as in the help of `syncbn train` and `syncbn
// lr-find`. optimizerFlags.ts and scheduleFlags.ts read them.

import { OPTIMIZER_NAMES } from '../../optim/bindOptimizer.ts';
import type { FlagText } from './flagText.ts';
import { SCHEDULE_WORDS } from './flagWords.ts';

/** For the optimizer, its rate and the gradient. */
export const optimizerFlags: readonly FlagText[] = [
  ['--optimizer <name>', `${OPTIMIZER_NAMES.join(', ')} (default sgd)`, OPTIMIZER_NAMES],
  ['--lr <rate>', "Learning rate (default 0.1 for sgd, none for lars, else the optimizer's own)"],
  [
    '--lr-scaling <rule>',
    'linear or sqrt: scale the rate from a base batch to the global batch',
    ['linear', 'sqrt'],
  ],
  ['--lr-base-batch <n>', 'With --lr-scaling: batch size that the rate is for (default 256)'],
  ['--momentum <x>', 'For sgd and lars (default 0.9), rmsprop (default 0)'],
  ['--nesterov', "Nesterov's momentum for sgd"],
  ['--betas <b1,b2>', 'For adam, adamw, lamb (default 0.9,0.999) and lion (default 0.9,0.99)'],
  ['--eps <x>', 'For adam, adamw, lamb, lars, rmsprop: keeps divisions finite'],
  ['--alpha <x>', 'For rmsprop: weight of the previous average of squares (default 0.99)'],
  ['--centered', 'For rmsprop: divide by the standard deviation'],
  ['--trust-coefficient <x>', 'For lars: factor of the ratio of norms (default 0.001)'],
  ['--adapt-all', 'For lars and lamb: adapt the rates of norm parameters and biases, too'],
  ['--weight-decay <x>', 'Weight decay (default 0, for adamw and lamb 0.01)'],
  [
    '--no-norm-decay',
    'No weight decay on norm parameters and biases; the default of lars and lamb',
  ],
  ['--decay-all', 'Weight decay on norm parameters and biases, too'],
  ['--clip-norm <x>', "Upper bound of the gradient's norm"],
  ['--clip-value <x>', 'Upper bound of each element of the gradient'],
];

/** For the schedule. */
export const scheduleFlags: readonly FlagText[] = [
  [
    '--schedule <kind>',
    'constant, cosine, exponential, one-cycle, plateau, points, polynomial, step or ' +
      'warm-restarts (default constant)',
    SCHEDULE_WORDS,
  ],
  [
    '--schedule-unit <unit>',
    'steps or epochs: the unit of the lengths of a schedule (default steps)',
    ['steps', 'epochs'],
  ],
  ['--warmup-steps <n>', 'Steps in which the learning rate rises (default 0)'],
  ['--warmup-epochs <x>', 'The same in epochs, such as 0.5'],
  ['--step-size <n>', 'With --schedule step: steps or epochs between two cuts'],
  ['--milestones <list>', 'With --schedule step: the steps or epochs of the cuts instead'],
  ['--gamma <x>', 'Factor of a cut (default 0.1); for exponential: of each step or epoch'],
  [
    '--min-lr <rate>',
    'For cosine, plateau, polynomial, warm-restarts: the lowest rate (default 0)',
  ],
  ['--power <x>', 'For polynomial: exponent (default 1)'],
  ['--pct-start <x>', 'For one-cycle: fraction of the run in which the rate rises (default 0.3)'],
  ['--div-factor <x>', 'For one-cycle: the first rate is --lr divided by this (default 25)'],
  [
    '--final-div-factor <x>',
    'For one-cycle: the last rate is the first divided by this (default 1e4)',
  ],
  ['--anneal-strategy <how>', 'For one-cycle: cos or linear (default cos)', ['cos', 'linear']],
  ['--period <n>', 'For warm-restarts: steps or epochs to the first restart'],
  ['--period-factor <n>', 'For warm-restarts: growth factor of the period (default 1)'],
  ['--factor <x>', 'For plateau: factor of each cut (default 0.1)'],
  ['--lr-patience <n>', 'For plateau: epochs without improvement before a cut (default 10)'],
  ['--points <list>', 'For points: position:factor of the rate, such as 0:0.1,5:1,30:0'],
];
