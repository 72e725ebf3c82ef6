// Mistakes that are easy to make in a synchronization, each inserted deliberately in one place of
// the code under test, and the scenario that must find it. A model checker that misses one of these
// proves nothing.

import type { Mutation } from './model.ts';
import type { ScenarioName } from './modelWorker.ts';

export interface Mutant extends Mutation {
  /** The mistake. */
  readonly name: string;
  readonly scenario: ScenarioName;
  /** Default 1. */
  readonly processes?: number;
  /** Default 3. */
  readonly worldSize?: number;
  /** Default 0: members that wait sleep at once. */
  readonly spinTurns?: number;
  readonly hasMain?: boolean;
  readonly isOneWorld?: boolean;
}

const BARRIER = 'barrier.ts';
/** Where a member looks for the last time before it sleeps. */
const LAST_LOOK = /if \([^{}]*\) \{\s*Atomics\.wait\(/;

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a member sleeps without another look after it has counted itself',
    file: BARRIER,
    find: LAST_LOOK,
    replace: '{ Atomics.wait(',
    scenario: 'rounds',
  },
  {
    name: 'members that spin before they sleep do the same',
    file: BARRIER,
    find: LAST_LOOK,
    replace: '{ Atomics.wait(',
    scenario: 'rounds',
    spinTurns: 2,
  },
  {
    name: 'the last look before sleep leaves out the abort word',
    file: BARRIER,
    find: /&& !isAborted\(world\) && !this\.isGone/,
    replace: '&& !this.isGone',
    scenario: 'abort',
  },
  {
    name: 'the last look before sleep leaves out who has finished',
    file: BARRIER,
    find: /&& !isAborted\(world\) && !this\.isGone\(other\)/,
    replace: '&& !isAborted(world)',
    scenario: 'finishEarly',
  },
  {
    name: 'the wake word is read after the last look',
    file: BARRIER,
    find: /Atomics\.wait\(words, WAKE_WORD, wake,/,
    replace: 'Atomics.wait(words, WAKE_WORD, Atomics.load(words, WAKE_WORD),',
    scenario: 'rounds',
  },
  {
    name: 'sleepers count themselves after the last look',
    file: BARRIER,
    find: /Atomics\.add\(words, SLEEPERS_WORD, 1\);([\s\S]*?)Atomics\.wait\(/,
    replace: '$1Atomics.add(words, SLEEPERS_WORD, 1); Atomics.wait(',
    scenario: 'rounds',
  },
  {
    name: 'sleepers are woken before the arrival is stored',
    file: BARRIER,
    find: /(this\.arrive\(value, value2\);)\s*(if \(this\.spins\) this\.wakeSleepers\(\);)\s*else/,
    replace: '$2 $1 if (!this.spins)',
    scenario: 'rounds',
    spinTurns: 2,
  },
  {
    name: 'the last arrival wakes only when it finds the exact count',
    file: BARRIER,
    find: /\(Atomics\.add\(words, ARRIVED_WORD, 1\) \+ 1\) % locals\.length !== 0/,
    replace: 'Atomics.add(words, ARRIVED_WORD, 1) + 1 !== locals.length',
    scenario: 'rounds',
  },
  {
    name: 'the last arrival sets the count to 0',
    file: BARRIER,
    find: /Atomics\.sub\(words, ARRIVED_WORD, locals\.length\)/,
    replace: 'Atomics.store(words, ARRIVED_WORD, 0)',
    scenario: 'rounds',
  },
  {
    name: 'a notification does not change the wake word',
    file: 'abort.ts',
    find: /Atomics\.add\(words, wakeWord, 1\);/,
    replace: '',
    scenario: 'rounds',
  },
  {
    name: 'only one sleeper is notified',
    file: 'abort.ts',
    find: /Atomics\.notify\(words, wakeWord\)/,
    replace: 'Atomics.notify(words, wakeWord, 1)',
    scenario: 'rounds',
  },
  {
    name: 'a member does not wait for rank 0',
    file: BARRIER,
    find: /if \(!this\.hasArrived\(other\)\) this\.waitFor\(other\)/,
    replace: 'if (other !== 0 && !this.hasArrived(other)) this.waitFor(other)',
    scenario: 'rounds',
  },
  {
    name: 'a member is content with the arrival before',
    file: BARRIER,
    find: />=\s+0/,
    replace: '>= -1',
    scenario: 'rounds',
    spinTurns: 2,
  },
  {
    name: 'a member that has finished counts as gone although it has arrived',
    file: BARRIER,
    find: /(isGone[\s\S]*?)return !this\.hasArrived\(other\);/,
    replace: '$1return true;',
    scenario: 'finishTogether',
  },
  {
    name: 'a member finishes without waking anybody',
    file: BARRIER,
    find: /(State\.done\);\s*)wakeAll\(this\.world\);/,
    replace: '$1',
    scenario: 'finishEarly',
  },
  {
    name: 'an abort wakes only the group of the world',
    file: 'abort.ts',
    find: /if \(wakeWord !== 0 && wakeWord !== WAKE_WORD\) wakeGroup\(words, wakeWord\);/,
    replace: '',
    scenario: 'splitsEnd',
    worldSize: 4,
  },
  {
    name: 'main does not wake sleepers again after a death in the middle of an abort',
    file: 'abort.ts',
    find: /(const first = abortRun[\s\S]*?)wakeAll\(words\);/,
    replace: '$1',
    scenario: 'die',
    hasMain: true,
  },
  {
    name: 'each member looks at the stop word itself',
    file: 'group.ts',
    find: /barrier\.valueOf\(0\) === 1/,
    replace: 'Atomics.load(words, STOP_WORD) === 1',
    scenario: 'stop',
    hasMain: true,
  },
  {
    name: 'what a member says of its call lies in one place for all calls',
    file: BARRIER,
    find: /return this\.parity \* CALL_WORDS;/,
    replace: 'return 0;',
    scenario: 'rounds',
  },
  {
    name: 'calls are not compared in length',
    file: BARRIER,
    find: /words\[word \+ LENGTH\] !== this\.length && !call\.uneven/,
    replace: 'false',
    scenario: 'different',
  },
  {
    name: 'each rank has a single slot',
    file: 'channel.ts',
    find: /this\.half = 1 - this\.half;/,
    replace: '',
    scenario: 'collectives',
  },
  {
    name: 'each rank has a single place for values',
    file: BARRIER,
    find: /FIRST_VALUE \+ this\.parity \* VALUE_WORDS;/,
    replace: 'FIRST_VALUE;',
    also: {
      file: 'channel.ts',
      find: /this\.valueTablesPtr \+ barrier\.parity \* barrier\.worldSize \* 4/,
      replace: 'this.valueTablesPtr',
    },
    scenario: 'values',
    spinTurns: 2,
  },
  {
    name: 'a large allReduce ends without its second synchronization',
    file: 'reductions.ts',
    find: /(foldSlice\(code, tablePtr, \{[^}]*\}, length\);\s*)barrier\.pass\(\);/,
    replace: '$1',
    scenario: 'collectives',
  },
  {
    name: 'a large broadcast ends without its second synchronization',
    file: 'copies.ts',
    find: /(if \(!isRoot\) channel\.copyOut\(place, 0, length, ptr\);\s*)barrier\.pass\(\);/,
    replace: '$1',
    scenario: 'collectives',
  },
  {
    name: 'the memory of a group is used again before all members have left it',
    file: 'split.ts',
    find: /FREED_WORD\) === members/,
    replace: 'FREED_WORD) >= 0',
    scenario: 'regroup',
  },
];
