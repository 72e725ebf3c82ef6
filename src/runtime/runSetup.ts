// The parts of a run, once everything is planned, filled and started.

import type { CarriedTensor } from '../checkpoint/convertState.ts';
import type { MonitorState } from '../checkpoint/monitored.ts';
import type { StateTensor } from '../checkpoint/state.ts';
import type { DatasetDescription } from '../data/identity.ts';
import type { StoredSamples } from '../data/stored/storedSamples.ts';
import type { Feeds } from './feeds.ts';
import type { Network } from './network.ts';
import type { Team } from './team.ts';

export interface RunSetup {
  /** The same in all checkpoints of a run. */
  readonly runId: string;
  readonly team: Team;
  readonly data: DatasetDescription;
  /** The samples, held only in this memory. */
  readonly samples: StoredSamples;
  readonly feeds: Feeds;
  readonly memory: WebAssembly.Memory;
  /** Undefined if there are no other processes. */
  readonly network: Network | undefined;
  readonly tensors: readonly StateTensor[];
  readonly epochSums: Float64Array;
  readonly published: Float64Array;
  /** What was decided from validations so far. */
  readonly monitored: MonitorState;
  /** The weights of the best epoch; undefined if none are kept. */
  readonly bestWeights: readonly StateTensor[] | undefined;
  readonly step: number;
  /** Length of the run; 0 while it is open. */
  readonly epochs: number;
  /** Whether {@link epochs} was given when this trainer was started. */
  readonly hasOwnLength: boolean;
  readonly conversion: readonly CarriedTensor[];
  /** Reports what the user should know. */
  readonly notify: (notice: string) => void;
}
