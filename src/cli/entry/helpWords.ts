// The topics of `syncbn help` with a line for each, and the shells that completion supports.

export const TOPICS = {
  'own-data': 'What --data takes, and how to look at it first',
  'own-models': 'Models by name, in .json files and from elsewhere',
  normalization: 'Which norm, and when it matters',
  replicas: 'Replicas, workers, batches: what affects results and what affects speed',
  checkpoints: 'Saving, resuming, the best epoch, interrupted runs',
  config: 'Settings in a JSON file: --config and --print-config',
  processes: 'Several processes and hosts through MPI',
  output: 'Terminals, plain text, JSON events, logs, reports',
  environment: 'Environment variables',
  'exit-codes': 'What the exit code of the command means',
} as const;

export type Topic = keyof typeof TOPICS;

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
