// Adds the net and the data to claims, captions and plot titles if they are not the experiment's
// own.

import type { Analysis, Experiment, ExperimentOptions } from './experiment.ts';

/** For example `net.json on data/`; undefined for the experiment's own net on its own data. */
export function subjectOf(
  { defaults }: Pick<Experiment, 'defaults'>,
  { net, data, quick }: ExperimentOptions,
): string | undefined {
  const isOwnData = data !== (quick ? defaults.quickData : defaults.data);
  if (net !== undefined) return `${net.name} on ${data}`;
  return isOwnData ? data : undefined;
}

/** Adds the subject to every claim, caption and title of an analysis. */
export function aboutSubject(analysis: Analysis, subject: string | undefined): Analysis {
  if (subject === undefined) return analysis;
  return {
    notes: analysis.notes,
    verdicts: analysis.verdicts.map((found) => ({ ...found, claim: `${subject}: ${found.claim}` })),
    tables: analysis.tables.map((table) => ({
      ...table,
      caption: `${table.caption} (${subject})`,
    })),
    plots: analysis.plots.map(({ file, caption, plot }) => ({
      file,
      caption: `${caption.replace(/\.$/, '')} (${subject})`,
      plot: { ...plot, title: `${plot.title}: ${subject}` },
    })),
  };
}
