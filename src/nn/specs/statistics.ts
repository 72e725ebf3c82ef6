// The statistics that a batch norm can normalize by in training. The help of the command names
// them, so this file loads nothing else.

export const STATISTICS_SOURCES = ['batch', 'running'] as const;
/** Statistics of the sync group's samples, or running ones. */
export type StatisticsSource = (typeof STATISTICS_SOURCES)[number];
