// The public API of syncbn, together with the separate entry point collectives.ts.

import { convertNorm } from './nn/convert/convertNorm.ts';
import { directConvolutions } from './nn/convert/directConvolutions.ts';
import { residual, sequential } from './nn/models/compose.ts';
import { add, concat, graph, multiply, split } from './nn/models/graphBuilder.ts';
import { namedModel } from './nn/models/models.ts';
import { parseModel } from './nn/models/parse.ts';
import { activations } from './nn/specs/activations.ts';
import { adaptiveAvgPool, adaptiveMaxPool } from './nn/specs/adaptivePools.ts';
import { batchRenorm } from './nn/specs/batchRenorm.ts';
import { conv1d } from './nn/specs/conv1d.ts';
import { conv2d } from './nn/specs/conv2d.ts';
import { convTranspose2d } from './nn/specs/convTranspose2d.ts';
import { custom } from './nn/specs/custom.ts';
import { customLoss } from './nn/specs/customLoss.ts';
import { dropout, dropout2d, dropPath } from './nn/specs/dropout.ts';
import { filterResponseNorm } from './nn/specs/filterResponseNorm.ts';
import { flatten } from './nn/specs/flatten.ts';
import { linear } from './nn/specs/linear.ts';
import {
  binaryCrossEntropy,
  crossEntropy,
  huber,
  l1,
  meanSquaredError,
} from './nn/specs/losses.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from './nn/specs/norms.ts';
import { pad } from './nn/specs/pad.ts';
import { avgPool, globalAvgPool, globalMaxPool, maxPool } from './nn/specs/pools.ts';
import { avgPool1d, maxPool1d } from './nn/specs/pools1d.ts';
import { gru, lstm, rnn } from './nn/specs/recurrent.ts';
import { reshape } from './nn/specs/reshape.ts';
import { rmsNorm } from './nn/specs/rmsNorm.ts';
import { slice } from './nn/specs/slice.ts';
import { upsample } from './nn/specs/upsample.ts';
import { ema, swa } from './optim/averaging.ts';
import { optimizers } from './optim/optimizer.ts';
import { schedules } from './optim/schedule.ts';

export type { Shape } from './base/shape.ts';
export type {
  Checkpoint,
  CheckpointContent,
  CheckpointNote,
  SavedHead,
  SpecRecord,
  WrittenBy,
} from './checkpoint/checkpoint.ts';
export {
  type CarriedTensor,
  type ConvertedState,
  convertState,
  type NamedTensor,
  type StateModels,
} from './checkpoint/convertState.ts';
export {
  type FoldedModel,
  foldBatchNorm,
  type NamedValue,
  type NamedValues,
} from './checkpoint/foldNorm.ts';
export type { MonitorState } from './checkpoint/monitored.ts';
export type { StateTensor } from './checkpoint/state.ts';
export * from './collectives.ts';
export type {
  ChunkedDataset,
  ChunkedSplit,
  SampleChunk,
  TrainingData,
} from './data/chunked/chunkedDataset.ts';
export { fromIterable, type IterableOptions } from './data/chunked/fromIterable.ts';
export type { ShuffleWindow } from './data/chunked/windows.ts';
export type { Dataset, InputType, Split } from './data/dataset.ts';
export {
  type ArraysOptions,
  fromArrays,
  type NestedNumbers,
  type NumberArray,
} from './data/fromArrays.ts';
export type { DatasetDescription } from './data/identity.ts';
export type { Augmentation, AugmentationPlan } from './data/loading/augment.ts';
export type { Shards } from './data/loading/shards.ts';
export { type MnistOptions, mnist } from './data/named/mnist.ts';
export { type ScenesOptions, scenes } from './data/named/scenes.ts';
export { type SyntheticOptions, synthetic } from './data/named/synthetic.ts';
export type { DataLayout } from './data/npy/layout.ts';
export { type OpenOptions, openDataset } from './data/open.ts';
export { type ChunkedOptions, openChunked } from './data/openChunked.ts';
export { firstTrain, limitTrain } from './data/subset.ts';
export { standardizeTargets } from './data/targets.ts';
export type { Task } from './data/task.ts';
export {
  type DirectBatchNormOptions,
  type DirectGroupNormOptions,
  type DirectNormOptions,
  type Norms,
  normsFor,
} from './direct/normsFor.ts';
export type {
  BackwardCotangents,
  BatchNorm,
  DoubleGradients,
  Norm,
  NormGradients,
  NormInputs,
  NormOutput,
  ParameterGradients,
  RunningStatistics,
  SavedNorm,
} from './direct/types.ts';
export {
  type ReadWeightsOptions,
  readWeights,
  type WeightsModel,
  type WriteWeightsOptions,
  writeWeights,
} from './interop/weights.ts';
export type { WeightsSource } from './interop/weightsSource.ts';
export type { NumericMode } from './kernels/builds.ts';
export type { ElementType, Layout, Region } from './memory/layout.ts';
export { AUTO_MIN_VALUES } from './nn/convert/autoNorm.ts';
export { explainNorms, type NormExplanation, type NormRun } from './nn/convert/explainNorms.ts';
export type { ConvertNormOptions, NormRequest, NormTarget } from './nn/convert/normRequest.ts';
export type { BatchNormSwitches } from './nn/convert/switchBatchNorm.ts';
export type { NormKind } from './nn/layers/normTraits.ts';
export type { Stem } from './nn/models/blocks.ts';
export type { GraphOutputs, GraphValue } from './nn/models/graphBuilder.ts';
export type { ModelName, ModelPurpose } from './nn/models/models.ts';
export type {
  ActivationSpec,
  EluSpec,
  GeluOptions,
  GeluSpec,
  HardSigmoidSpec,
  HardSwishSpec,
  LeakyReluSpec,
  PreluOptions,
  PreluSpec,
  Relu6Spec,
  ReluSpec,
  SigmoidSpec,
  SiluSpec,
  SoftmaxSpec,
  TanhSpec,
} from './nn/specs/activations.ts';
export type { AdaptiveAvgPoolSpec, AdaptiveMaxPoolSpec } from './nn/specs/adaptivePools.ts';
export type { BatchRenormOptions, BatchRenormSpec } from './nn/specs/batchRenorm.ts';
export type { Conv1dOptions, Conv1dSpec } from './nn/specs/conv1d.ts';
export type { Conv2dOptions, Conv2dSpec, ConvAlgorithm } from './nn/specs/conv2d.ts';
export type { ConvTranspose2dOptions, ConvTranspose2dSpec } from './nn/specs/convTranspose2d.ts';
export type {
  CustomBackward,
  CustomForward,
  CustomLayer,
  CustomParameter,
  CustomSpec,
} from './nn/specs/custom.ts';
export type { CustomLoss, CustomLossInputs, CustomLossSpec } from './nn/specs/customLoss.ts';
export type { Dropout2dSpec, DropoutSpec, DropPathSpec } from './nn/specs/dropout.ts';
export type {
  FilterResponseNormOptions,
  FilterResponseNormSpec,
} from './nn/specs/filterResponseNorm.ts';
export type { FlattenSpec } from './nn/specs/flatten.ts';
export type { WeightInit } from './nn/specs/init.ts';
export type { AddSpec, ConcatSpec, JoinSpec, MultiplySpec } from './nn/specs/joins.ts';
export type { LinearOptions, LinearSpec } from './nn/specs/linear.ts';
export type {
  BinaryCrossEntropyOptions,
  BinaryCrossEntropySpec,
  CrossEntropyOptions,
  CrossEntropySpec,
  HuberOptions,
  HuberSpec,
  L1Spec,
  LossSpec,
  MeanSquaredErrorSpec,
} from './nn/specs/losses.ts';
export type { AllowModules } from './nn/specs/modules.ts';
export type { SyncOption, SyncScope } from './nn/specs/normOptions.ts';
export type {
  BatchNormOptions,
  BatchNormSpec,
  GroupNormSpec,
  InstanceNormOptions,
  InstanceNormSpec,
  LayerNormSpec,
  SampleNormOptions,
} from './nn/specs/norms.ts';
export type {
  Padding,
  Padding1d,
  Padding1dOption,
  PaddingOption,
  Pair,
  PairOption,
  Sides,
  SidesOption,
} from './nn/specs/options.ts';
export type { PadSpec } from './nn/specs/pad.ts';
export type { ParameterRole } from './nn/specs/parameter.ts';
export type {
  AvgPoolOptions,
  AvgPoolSpec,
  GlobalAvgPoolSpec,
  GlobalMaxPoolSpec,
  MaxPoolOptions,
  MaxPoolSpec,
  PoolWindow,
} from './nn/specs/pools.ts';
export type {
  AvgPool1dOptions,
  AvgPool1dSpec,
  MaxPool1dOptions,
  MaxPool1dSpec,
  PoolWindow1d,
} from './nn/specs/pools1d.ts';
export type {
  GruSpec,
  LstmOptions,
  LstmSpec,
  RecurrentFields,
  RecurrentNorm,
  RecurrentOptions,
  RnnOptions,
  RnnSpec,
} from './nn/specs/recurrent.ts';
export type { ReshapeSpec } from './nn/specs/reshape.ts';
export type { RmsNormOptions, RmsNormSpec } from './nn/specs/rmsNorm.ts';
export type { SliceOptions, SliceRange, SliceSpec } from './nn/specs/slice.ts';
export type {
  GraphNode,
  GraphSpec,
  LayerSpec,
  LeafSpec,
  ResidualSpec,
  SequentialSpec,
} from './nn/specs/spec.ts';
export type { StatisticsSource } from './nn/specs/statistics.ts';
export type { UpsampleMode, UpsampleOptions, UpsampleSpec } from './nn/specs/upsample.ts';
export type {
  Diagnostics,
  DiagnosticsSummary,
  LayerDiagnostics,
  ShardDiagnostics,
  WorstDiagnostics,
} from './observe/diagnostics.ts';
export type { GradientNorms, TensorGradient } from './observe/gradientNorms.ts';
export type {
  ClassScores,
  ConfusionMatrix,
  MetricName,
  Metrics,
  MetricValues,
  Overlaps,
  PrecisionRecall,
} from './observe/metric.ts';
export type {
  Profile,
  ProfileLayer,
  ProfilePhaseTimes,
  ProfileSpan,
  ProfileTimes,
  ProfileWorker,
} from './observe/profileReport.ts';
export { exportOnnx, type OnnxExportOptions } from './onnx/export/exportOnnx.ts';
export type { TrainedNet } from './onnx/export/writeNet.ts';
export { importOnnx, type OnnxImportOptions } from './onnx/import/importOnnx.ts';
export type {
  AveragingSpec,
  EmaOptions,
  EmaSpec,
  SwaOptions,
  SwaSpec,
} from './optim/averaging.ts';
export type { LrScaling } from './optim/lrScaling.ts';
export type { BestEpoch, MonitorName, ValidationSplit } from './optim/monitor.ts';
export type * from './optim/optimizers.ts';
export type { PlateauOptions, PlateauSchedule, PlateauState } from './optim/plateau.ts';
export type {
  ConstantSchedule,
  CosineOptions,
  CosineSchedule,
  Counted,
  ExponentialOptions,
  ExponentialSchedule,
  OneCycleOptions,
  OneCycleSchedule,
  PointsOptions,
  PointsSchedule,
  PolynomialOptions,
  PolynomialSchedule,
  SchedulePoint,
  ScheduleSpec,
  ScheduleUnit,
  StepOptions,
  StepSchedule,
  UnitOptions,
  WarmRestartsOptions,
  WarmRestartsSchedule,
  Warmup,
  WarmupOptions,
} from './optim/schedule.ts';
export type { DataPlan, MicroBatches, RunConfig } from './plan/config.ts';
export type { EvalCorrection } from './plan/evalCorrection.ts';
export type { HeadLoss, HeadOptions } from './plan/heads.ts';
export type { OnNonFinite } from './plan/onNonFinite.ts';
export type { ParameterGroup } from './plan/parameterGroups.ts';
export type { RunMemory } from './plan/plan.ts';
export type { PopulationDefinition } from './plan/populationPlan.ts';
export type { ProfilePhase } from './plan/profilePlan.ts';
export type { ProcessPlace } from './reduce/grains.ts';
export type { SnapshotSource } from './report/board/runScalars.ts';
export {
  openTensorBoard,
  type TensorBoard,
  type TensorBoardOptions,
} from './report/board/tensorBoard.ts';
export type { EvaluateOptions, Evaluation, UseAverageOptions } from './runtime/evaluation.ts';
export type { ExportOptions, InferenceExport } from './runtime/exportInference.ts';
export {
  type EvaluateDataOptions,
  type LoadedModel,
  type LoadOptions,
  loadModel,
} from './runtime/loadModel.ts';
export type { PreciseOptions, PreciseResult } from './runtime/preciseNorm.ts';
export type { Inputs, NamedOutputs } from './runtime/predict.ts';
export type { EarlyStopping, FitOptions, Progress } from './runtime/progress.ts';
export type { ResumeOptions } from './runtime/resume.ts';
export type { SaveOptions } from './runtime/saving.ts';
export { Trainer } from './runtime/trainer.ts';
export type { TrainerOptions } from './runtime/trainerOptions.ts';
export type { RunningTrainer } from './runtime/trainerTypes.ts';
export type { SplitName } from './train/context.ts';

/** Layers, losses and models: functions that return plain data.
 * @namespace */
export const nn = {
  ...activations,
  adaptiveAvgPool,
  adaptiveMaxPool,
  add,
  avgPool,
  avgPool1d,
  batchNorm,
  batchRenorm,
  binaryCrossEntropy,
  concat,
  conv1d,
  conv2d,
  convertNorm,
  convTranspose2d,
  crossEntropy,
  custom,
  customLoss,
  directConvolutions,
  dropout,
  dropout2d,
  dropPath,
  filterResponseNorm,
  flatten,
  globalAvgPool,
  globalMaxPool,
  graph,
  groupNorm,
  gru,
  huber,
  instanceNorm,
  l1,
  layerNorm,
  linear,
  lstm,
  maxPool,
  maxPool1d,
  meanSquaredError,
  multiply,
  namedModel,
  pad,
  parseModel,
  reshape,
  residual,
  rmsNorm,
  rnn,
  sequential,
  slice,
  split,
  upsample,
};

/** Optimizers, learning rate schedules, and averages of the weights.
 * @namespace */
export const optim = {
  ...optimizers,
  schedules,
  /** Averages of the weights.
   * @namespace */
  averaging: { ema, swa },
};
