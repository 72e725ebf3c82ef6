// The worker of the gang's tests: answers, waits in a barrier, and misbehaves as it is told.

import { UsageError } from '../../src/base/errors.ts';
import { type GangTask, serveControl } from '../../src/runtime/control.ts';
import { prepareCall } from '../../src/sync/call.ts';
import { attachMember } from '../../src/sync/group.ts';

export type Mischief = 'throw' | 'exit' | 'usage' | 'throwLater' | 'none';

export interface TestData {
  readonly cells: Int32Array;
  readonly memory?: WebAssembly.Memory;
  readonly module?: WebAssembly.Module;
  readonly failStart?: 'throw' | 'exit' | 'hang';
}

export interface TestApi {
  echo(value: number): Promise<number>;
  /** Reads the first word of the posted memory through the posted module. */
  readShared(): Promise<number>;
  /** Waits in one barrier; misbehaves instead when told so. */
  wait(mischief: Mischief): Promise<string>;
  /** Never returns, and never looks at the control words. */
  hang(): Promise<void>;
  unpostable(): Promise<unknown>;
}

export default (task: GangTask<TestData>): Promise<number> =>
  serveControl<TestData, TestApi>(task, async ({ rank, words, data }) => {
    const fails = data.failStart !== undefined && rank === 1;
    if (fails && data.failStart === 'throw') throw new RangeError('no such model');
    if (fails && data.failStart === 'exit') process.exit(7);
    if (fails && data.failStart === 'hang') await new Promise(() => {});
    const member = attachMember(words, rank, ['0.conv2d', '1.batchNorm']);
    return {
      echo: async (value) => value + rank,
      readShared: async () => {
        const { memory, module } = data;
        const instance = new WebAssembly.Instance(module!, { env: { memory: memory! } });
        return (instance.exports.load as () => number)();
      },
      wait: async (mischief) => {
        member.setPosition(5, 1);
        Atomics.add(data.cells, 0, 1);
        if (mischief === 'throw') throw new TypeError('x is not a number');
        if (mischief === 'usage') {
          throw new UsageError({ what: 'lr', given: -1, allowed: 'a positive number' });
        }
        if (mischief === 'exit') process.exit(3);
        if (mischief === 'throwLater') {
          setTimeout(() => {
            throw new Error('from a timer');
          }, 1);
          await new Promise(() => {});
        }
        member.sync(prepareCall({ kind: 'barrier', label: 'all' }));
        return `rank ${rank} passed`;
      },
      hang: async () => {
        Atomics.add(data.cells, 0, 1);
        for (;;);
      },
      unpostable: async () => () => 1,
    };
  });
