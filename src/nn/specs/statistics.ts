// With which statistics a batch norm normalizes while it trains. The help of the command names
// them, so that nothing else is loaded here.

export const STATISTICS_SOURCES = ['batch', 'running'] as const;
/** Statistics of the sync group's samples, or running ones. */
export type StatisticsSource = (typeof STATISTICS_SOURCES)[number];
