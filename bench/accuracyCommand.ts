// `npm run bench -- accuracy`: flags in, tables out.

import { type AccuracyResult, measureAccuracy } from './accuracy.ts';
import { type ConditioningResult, measureConditioning } from './conditioning.ts';
import { type ConvAccuracyResult, type ConvError, measureConvAccuracy } from './convAccuracy.ts';
import { describeMachine } from './machine.ts';
import { type PeerFlags, withTorchLayers } from './normCommand.ts';
import { finish, type Row } from './output.ts';

export async function accuracy(flags: PeerFlags): Promise<void> {
  const isSmoke = flags.smoke === true;
  const print = (result: object): void => {
    if (flags.json) console.log(JSON.stringify(result));
  };
  const norms = measureAccuracy(isSmoke, (result) => {
    console.error(`${result.norm}: ${result.runs} runs`);
    print(result);
  });
  const { result, version } = await withTorchLayers(flags, async (torch) => ({
    conditioning: await measureConditioning(isSmoke, torch, print),
    convolutions: await measureConvAccuracy(isSmoke, torch, (one) => {
      console.error(`convolution of ${one.channels} channels, ${one.algorithm}`);
      print(one);
    }),
  }));
  const { conditioning, convolutions } = result;
  finish({
    name: 'accuracy',
    flags,
    machine: describeMachine({ torch: version }),
    rows: norms.map(normRow),
    more: [conditioning.map(conditioningRow), convolutions.map(convolutionRow)],
    results: [...norms, ...conditioning, ...convolutions],
  });
}

function normRow(result: AccuracyResult): Row {
  return {
    'worst error in ulp': result.norm,
    runs: result.runs,
    y: result.y,
    dx: result.dx,
    'parameter gradients': result.parameterGradients ?? '-',
    'running statistics': result.running ?? '-',
    'worst y at': result.worstAt,
  };
}

function conditioningRow(result: ConditioningResult): Row {
  return {
    'relative error of the variance': result.data,
    ours: result.relativeError.toExponential(1),
    PyTorch: result.torchRelativeError?.toExponential(1) ?? '-',
  };
}

function convolutionRow(result: ConvAccuracyResult): Row {
  return {
    '3x3 convolution: worst ulp, rms': `${result.channels} channels, ${result.algorithm}`,
    forward: showError(result.forward),
    'input gradient': showError(result.inputGradient),
    'weight gradient': showError(result.weightGradient),
  };
}

function showError({ ulps, rms }: ConvError): string {
  return `${ulps}, ${rms.toExponential(1)}`;
}
