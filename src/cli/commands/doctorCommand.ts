// `syncbn doctor`: trains a model briefly with local, synchronized and group normalization, and
// shows where shards differ, which layers benefit from synchronization, and what to use.

import { type Diagnosis, diagnose } from '../../doctor/doctor.ts';
import type { Advice, DiagnosedLayer, MeasuredVariant } from '../../doctor/doctorAdvice.ts';
import { AUTO_MIN_VALUES } from '../../nn/convert/autoNorm.ts';
import { known } from '../output/events.ts';
import { say, screen } from '../output/screen.ts';
import { printTable } from '../output/tables.ts';
import { paint } from '../output/text.ts';
import type { Flags } from '../settings/flags.ts';
import { bareNetFrom, dataFrom, trainerOptionsFrom } from '../settings/settings.ts';

const LEGEND = `shift: measured, root mean square over channels, replicas and steps
expected: of independent values, up to independent samples of equal positions;
  far above, the replicas' data differ (uneven)
effective: independent values that would shift so much (noisy below ${AUTO_MIN_VALUES})
var: by what factor the variances of a replica and of all differ`;

export async function runDoctor(flags: Flags): Promise<number> {
  if (flags.isSet('env')) {
    const { runEnvDoctor } = await import('./envDoctor.ts');
    return runEnvDoctor(flags);
  }
  if (flags.isSet('mpi')) {
    const { runMpiDoctor } = await import('./mpiDoctor.ts');
    return runMpiDoctor(flags);
  }
  const data = await dataFrom(flags);
  const { model } = await bareNetFrom(flags, data);
  const steps = flags.integer('steps', 1);
  const budgetSeconds = flags.number('budget', 0);
  const isJson = flags.isSet('json');
  const isShown = !isJson && screen.canRewrite;
  const diagnosis = await diagnose({
    trainer: trainerOptionsFrom(flags, data, model),
    ...(steps !== undefined && { steps }),
    ...(budgetSeconds !== undefined && { budgetSeconds }),
    ...(isShown && { onProgress: showProgress }),
  });
  if (isJson) screen.sayJson({ event: 'diagnosis', ...finite(diagnosis) });
  else show(diagnosis);
  return 0;
}

/** A line that is overwritten; the report follows on stdout. */
function showProgress(done: number, steps: number): void {
  const end = done >= steps ? '\r\u001b[K' : '';
  screen.draw('stderr', `\rlocal, sync and group: ${done} of ${steps} steps each${end}`);
}

/** JSON has no NaN and no infinity. */
function finite(diagnosis: Diagnosis): object {
  const { layers, variants } = diagnosis;
  const plain = (row: object): object =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        typeof value === 'number' ? known(value) : value,
      ]),
    );
  return { ...diagnosis, layers: layers.map(plain), variants: variants.map(plain) };
}

function show(diagnosis: Diagnosis): void {
  const { replicas, replicaBatch, workers, steps, askedSteps, seconds, layers } = diagnosis;
  say(`${replicas} replicas of ${replicaBatch} samples on ${workers} workers`);
  const cut = `, of ${askedSteps} asked for: the budget is ${diagnosis.budgetSeconds} s`;
  say(`${steps} steps with each norm in ${seconds.toFixed(1)} s${steps < askedSteps ? cut : ''}`);
  say('\nStatistics of one replica against all, in standard deviations:');
  printTable(layers.map(layerRow));
  say(LEGEND);
  const groups = layers.map(({ layer, groupNorm, groupValues }) => {
    const groups = groupNorm.replace(/^groupNorm [(](.*)[)]$/, '$1');
    return `${layer} ${groups}, ${groupValues} values each`;
  });
  say(`Group norm would take: ${groups.join('; ')}\n`);
  printTable(diagnosis.variants.map((variant) => variantRow(variant, diagnosis.variants)));
  showAdvice(diagnosis.advice);
}

function layerRow(layer: DiagnosedLayer): Record<string, string> {
  const { verdict } = layer;
  return {
    layer: layer.layer,
    values: `${layer.values}`,
    shift: layer.meanShift.toFixed(3),
    expected: `${layer.expectedShift.toFixed(3)}-${layer.sampleShift.toFixed(3)}`,
    effective: layer.effectiveValues.toFixed(0),
    var: `x ${layer.varianceFactor.toFixed(2)}`,
    verdict: verdict === 'steady' ? verdict : paint('yellow', verdict),
  };
}

function variantRow(
  variant: MeasuredVariant,
  all: readonly MeasuredVariant[],
): Record<string, string> {
  const local = all.find(({ norm }) => norm === 'local')!;
  const cell = (value: number, text: (value: number) => string): string =>
    Number.isNaN(value) ? '-' : text(value);
  return {
    norm: variant.norm,
    'ms/step': variant.stepMs.toFixed(2),
    'to local': `x ${(variant.stepMs / local.stepMs).toFixed(2)}`,
    'train loss': variant.trainLoss.toFixed(4),
    'test loss': cell(variant.testLoss, (loss) => loss.toFixed(4)),
    'test accuracy': cell(variant.testAccuracy, (share) => `${(share * 100).toFixed(1)} %`),
  };
}

function showAdvice({ norm, groupSize, gaining, reasons }: Advice): void {
  const names = { local: 'keep local batch norm', sync: 'SyncBN', group: 'group norm' };
  const scope = groupSize === null ? '' : ` over groups of ${groupSize} replicas`;
  const flag = `--norm ${norm}${groupSize === null ? '' : ` --group-size ${groupSize}`}`;
  say(`Recommendation: ${paint('green', `${names[norm]}${scope}`)} (${flag})`);
  for (const reason of reasons) say(`  - ${reason}`);
  if (gaining.length > 0) say(`Layers that benefit from SyncBN: ${gaining.join(', ')}`);
}
