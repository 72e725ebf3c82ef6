// The public API of `syncbn/collectives`: collectives between threads, without neural networks.

export {
  InvariantError,
  type RefusedCall,
  type RefusedValue,
  RunError,
  type RunFailure,
  type UsageDetails,
  UsageError,
} from './base/errors.ts';
export { type LaunchOptions, launch } from './runtime/launch.ts';
export type { Job, JobContext } from './runtime/launchWorker.ts';
export type { NumberArray, NumberType, ReduceOp, SharedArrayOf } from './sync/arrays.ts';
export type { CallOptions, Group } from './sync/group.ts';
export type { CallSiteStats, GroupStats } from './sync/stats.ts';
