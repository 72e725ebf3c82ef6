// Recurrent layers over a sequence: their specs and builders, checked. Their declarations are in
// recurrentKinds.ts, their passes in recurrentPasses.ts.

import type * as z from 'zod';
import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { oneOf, realOrNull } from '../../base/values.ts';
import { type LayerForm, layerForm } from './form.ts';
import {
  DEFAULT_EPS,
  DEFAULT_MOMENTUM,
  epsOption,
  momentumOption,
  type SyncOption,
  type SyncScope,
  syncOption,
} from './normOptions.ts';
import { checkCount, optionalFlag, size } from './options.ts';

export const RECURRENT_NORMS = ['none', 'layer', 'batch'] as const;
/** How the pre-activations of each time step are normalized. */
export type RecurrentNorm = (typeof RECURRENT_NORMS)[number];

/** The fields that all recurrent layers have. */
export interface RecurrentFields {
  /** Features of a time step. */
  readonly inputSize: number;
  /** Features of the hidden state. */
  readonly hiddenSize: number;
  /** As {@link RecurrentOptions.bias}. */
  readonly bias: boolean;
  /** Whether the output is all hidden states instead of only the last one. */
  readonly returnSequence: boolean;
  /** As {@link RecurrentOptions.norm}. */
  readonly norm: RecurrentNorm;
  /** As {@link RecurrentOptions.eps}. */
  readonly eps: number;
  /** As {@link RecurrentOptions.momentum}. */
  readonly momentum: number | null;
  /** As {@link RecurrentOptions.sync}. */
  readonly sync: SyncScope;
}

/** An Elman network as plain data. */
export interface RnnSpec extends RecurrentFields {
  /** The kind of layer. */
  readonly kind: 'rnn';
  /** As {@link RnnOptions.nonlinearity}. */
  readonly nonlinearity: 'tanh' | 'relu';
}

/** A gated recurrent unit as plain data. */
export interface GruSpec extends RecurrentFields {
  /** The kind of layer. */
  readonly kind: 'gru';
}

/** A long short-term memory as plain data. */
export interface LstmSpec extends RecurrentFields {
  /** The kind of layer. */
  readonly kind: 'lstm';
  /** The initial sum of the forget gate's two biases; null for random values like the other
   * gates'. */
  readonly forgetBias: number | null;
}

export type RecurrentSpec = RnnSpec | GruSpec | LstmSpec;

/** The options of all recurrent layers. */
export interface RecurrentOptions {
  /** Whether the layer has biasIh and biasHh; default true. */
  readonly bias?: boolean;
  /** Whether the output is the hidden states of all time steps, [T, hiddenSize], instead of the
   * last one, [hiddenSize]; default false. */
  readonly returnSequence?: boolean;
  /** Normalizes the input's and the hidden state's parts of the pre-activations separately at every
   * time step. The biases are added afterward, and all time steps share the gains normWeightIh and
   * normWeightHh. `layer` normalizes over the features of one sample (Ba, Kiros, Hinton 2016).
   * `batch` normalizes over the samples, with separate statistics for each time step, also for the
   * running ones that evaluation uses (Cooijmans et al. 2017, with their initial gain of 0.1).
   * Default `none`. */
  readonly norm?: RecurrentNorm;
  /** Added to the variance; default 1e-5. Use a larger value, say 1e-2, with norm `batch` if the
   * first time steps are nearly constant, as in images with empty borders: their variance is close
   * to 0, and evaluation divides rare values by it. */
  readonly eps?: number;
  /** For norm `batch`: weight of the newest batch in the running statistics, `null` for a plain
   * average over all batches; default 0.1. */
  readonly momentum?: number | null;
  /** For norm `batch`: which replicas share statistics, as for batchNorm; default `local`. */
  readonly sync?: SyncOption;
}

/** The options of `nn.rnn`. */
export interface RnnOptions extends RecurrentOptions {
  /** Default `tanh`. */
  readonly nonlinearity?: 'tanh' | 'relu';
}

/** The options of `nn.lstm`. */
export interface LstmOptions extends RecurrentOptions {
  /** The initial bias of the forget gate: this value in biasIh, 0 in biasHh. With 1 the cell
   * remembers from the first step on (Gers et al. 2000; Jozefowicz et al. 2015). Default null:
   * both are random like those of the other gates, as in PyTorch. */
  readonly forgetBias?: number | null;
}

const recurrentOptions = {
  bias: optionalFlag,
  returnSequence: optionalFlag,
  norm: oneOf(RECURRENT_NORMS).exactOptional(),
  eps: epsOption,
  momentum: momentumOption,
  sync: syncOption,
};
export const gruSchema = optionsSchema<RecurrentOptions>()(recurrentOptions);
export const rnnSchema = optionsSchema<RnnOptions>()({
  ...recurrentOptions,
  nonlinearity: oneOf(['tanh', 'relu']).exactOptional(),
});
export const lstmSchema = optionsSchema<LstmOptions>()({
  ...recurrentOptions,
  forgetBias: realOrNull('a finite number, or null for random values', () => true).exactOptional(),
});

/** An Elman network (1990; PyTorch's RNN): h(t) = tanh(x(t) weightIh + biasIh + h(t - 1) weightHh +
 * biasHh) from h(0) = 0, for inputs [T, inputSize]. weightIh is [inputSize, hiddenSize], weightHh
 * [hiddenSize, hiddenSize], the transposes of PyTorch's. All parameters start uniform within +-1 /
 * sqrt(hiddenSize). Throws a {@link UsageError} for options out of range.
 *
 * @example
 * nn.rnn(28, 64) // [28, 28] -> [64] */
export function rnn(inputSize: number, hiddenSize: number, options: RnnOptions = {}): RnnSpec {
  const example = 'rnn(28, 64, { returnSequence: true })';
  const given = parseOptions('rnn', rnnSchema, options, { example });
  const { nonlinearity = 'tanh', ...fields } = given;
  return { kind: 'rnn', ...fieldsOf('rnn', inputSize, hiddenSize, fields), nonlinearity };
}

/** A gated recurrent unit (Cho et al. 2014; PyTorch's GRU): r, z = sigmoid(i + h), n = tanh(in + r
 * hn), h(t) = (1 - z) n + z h(t - 1), where i = x(t) weightIh + biasIh and h = h(t - 1) weightHh +
 * biasHh. The gates are concatenated as r, z, n: weightIh is [inputSize, 3 hiddenSize], weightHh
 * [hiddenSize, 3 hiddenSize], the transposes of PyTorch's. Otherwise like `rnn`.
 *
 * @example
 * nn.gru(28, 64, { norm: 'layer' }) // [28, 28] -> [64] */
export function gru(
  inputSize: number,
  hiddenSize: number,
  options: RecurrentOptions = {},
): GruSpec {
  const example = 'gru(28, 64, { returnSequence: true })';
  const given = parseOptions('gru', gruSchema, options, { example });
  return { kind: 'gru', ...fieldsOf('gru', inputSize, hiddenSize, given) };
}

/** A long short-term memory (Hochreiter and Schmidhuber 1997; PyTorch's LSTM): i, f, o =
 * sigmoid(a), g = tanh(a), c(t) = f c(t - 1) + i g, h(t) = o tanh(c(t)) from h(0) = c(0) = 0,
 * where a = x(t) weightIh + biasIh + h(t - 1) weightHh + biasHh. The gates are concatenated as i,
 * f, g, o: weightIh is [inputSize, 4 hiddenSize], weightHh [hiddenSize, 4 hiddenSize], the
 * transposes of PyTorch's. A `norm` also normalizes c(t) before its tanh, with the gain
 * normWeightCell and the bias normBiasCell, [hiddenSize] each; c(t) itself is carried on unchanged
 * (Cooijmans et al. 2017, equations 6 to 8; Ba, Kiros, Hinton 2016). Otherwise like `rnn`.
 *
 * @example
 * nn.lstm(28, 64, { returnSequence: true, forgetBias: 1 }) // [28, 28] -> [28, 64] */
export function lstm(inputSize: number, hiddenSize: number, options: LstmOptions = {}): LstmSpec {
  const example = 'lstm(28, 64, { returnSequence: true })';
  const given = parseOptions('lstm', lstmSchema, options, { example });
  const { forgetBias = null, ...fields } = given;
  if (forgetBias !== null && fields.bias === false) {
    throw new UsageError({
      what: 'lstm forgetBias with bias: false',
      given: forgetBias,
      allowed: 'null, since there are no biases',
      hint: 'bias: true',
    });
  }
  return { kind: 'lstm', ...fieldsOf('lstm', inputSize, hiddenSize, fields), forgetBias };
}

function fieldsOf(
  layer: string,
  inputSize: number,
  hiddenSize: number,
  options: z.infer<typeof gruSchema>,
): RecurrentFields {
  const { norm = 'none', sync = 'local' } = options;
  if (sync !== 'local' && norm !== 'batch') {
    throw new UsageError({
      what: `${layer} sync with norm '${norm}'`,
      given: sync,
      allowed: "'local', since nothing is shared between samples",
      hint: "norm: 'batch'",
    });
  }
  return {
    inputSize: checkCount(`${layer} inputSize`, inputSize),
    hiddenSize: checkCount(`${layer} hiddenSize`, hiddenSize),
    bias: options.bias ?? true,
    returnSequence: options.returnSequence ?? false,
    norm,
    eps: options.eps ?? DEFAULT_EPS,
    momentum: options.momentum === undefined ? DEFAULT_MOMENTUM : options.momentum,
    sync,
  };
}

const recurrentSizes = { inputSize: size, hiddenSize: size };

/** The JSON forms of these layers. */
export const recurrentForms: readonly LayerForm<RecurrentSpec>[] = [
  layerForm('gru', { ...recurrentSizes, ...gruSchema.shape }, (fields) => {
    const { inputSize, hiddenSize, ...options } = fields;
    return gru(inputSize, hiddenSize, options);
  }),
  layerForm('lstm', { ...recurrentSizes, ...lstmSchema.shape }, (fields) => {
    const { inputSize, hiddenSize, ...options } = fields;
    return lstm(inputSize, hiddenSize, options);
  }),
  layerForm('rnn', { ...recurrentSizes, ...rnnSchema.shape }, (fields) => {
    const { inputSize, hiddenSize, ...options } = fields;
    return rnn(inputSize, hiddenSize, options);
  }),
];
