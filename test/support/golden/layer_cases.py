"""The cases of layers.json: each kind of layer and loss, forward and backward."""

import torch
from image_layers import image_layer_cases
from recurrent import (
    make_recurrent_buffers,
    make_recurrent_parameters,
    recurrent_cases,
    run_recurrent,
)
from torch.nn import functional as F

from reference import (
    all_to_json,
    batch_norm,
    batch_renorm,
    conv1d,
    conv2d,
    conv_transpose2d,
    filter_response_norm,
    generator_of,
    group_norm,
    instance_norm,
    layer_norm,
    linear,
    make_buffers,
    make_parameters,
    normal,
    pool,
    rms_norm,
    run_layer,
    to_float32,
    to_json,
    to_number,
)

LARGE_MEAN = 1e3
HUGE_MEAN = 1e6
# Around the kinks and in the tails of the activations.
SPECIAL_VALUES = (0.0, 1e-4, -1e-4, 5.0, -5.0, 12.0, -12.0, 100.0, -100.0)


def layer_case(name, spec, shape, *, training=True, make_input=normal, batches_tracked=0):
    """One layer, forward and backward, from random numbers."""
    generator = generator_of(name)
    is_recurrent = spec["kind"] in ("rnn", "gru", "lstm")
    if is_recurrent:
        parameters = make_recurrent_parameters(spec, generator)
        buffers = make_recurrent_buffers(spec, generator, shape[1])
    else:
        parameters = make_parameters(spec, generator)
        buffers = make_buffers(spec, generator)
    x = make_input(generator, shape)
    case = {"name": name, "spec": spec, "training": training}
    if "momentum" in spec and spec["momentum"] is None:
        case["batchesTrackedBefore"] = batches_tracked
    case |= {
        "input": to_json(x),
        "parameters": all_to_json(parameters),
        "buffersBefore": all_to_json(buffers),
    }

    for leaf in (x, *parameters.values()):
        leaf.requires_grad_()
    state = {"training": training, "buffers": buffers, "batchesTracked": batches_tracked}
    output = (run_recurrent if is_recurrent else run_layer)(spec, x, parameters, state)
    output_gradient = normal(generator, output.shape)
    output.backward(output_gradient)
    return case | {
        "output": to_json(output),
        "outputGradient": to_json(output_gradient),
        "inputGradient": to_json(x.grad),
        "gradients": all_to_json({name: leaf.grad for name, leaf in parameters.items()}),
        "buffers": all_to_json(buffers),
    }


def shifted(mean):
    """Makes inputs of standard deviation 1 around `mean`, alternating in sign over the channels."""

    def make(generator, shape):
        signs = torch.ones(shape[-1], dtype=torch.float64)
        signs[1::2] = -1
        values = torch.randn(shape, generator=generator, dtype=torch.float64) + mean * signs
        return to_float32(values)

    return make


def one_constant_channel(generator, shape):
    x = normal(generator, shape)
    x[..., 0] = 0.75
    return x


def whole_numbers(generator, shape):
    """Few distinct values, so that most pooling windows hold ties."""
    return torch.randint(0, 3, shape, generator=generator).double()


def with_special_values(generator, shape):
    x = normal(generator, shape, scale=2.0)
    x.view(-1)[: len(SPECIAL_VALUES)] = torch.tensor(SPECIAL_VALUES).double()
    return x


def conv_cases():
    three = [3, 3]
    yield "3x3, padding 1", conv2d(3, 8, three, padding=[1, 1]), [2, 5, 6, 3]
    yield "3x3, padding 1, bias", conv2d(4, 5, three, padding=[1, 1], bias=True), [2, 5, 4, 4]
    yield (
        "3x3, stride 2, padding 1, odd size",
        conv2d(4, 6, three, stride=[2, 2], padding=[1, 1]),
        [2, 7, 5, 4],
    )
    yield (
        "3x3, stride 2, padding 1, even size",
        conv2d(3, 4, three, stride=[2, 2], padding=[1, 1]),
        [2, 6, 6, 3],
    )
    yield (
        "3x3, padding 1, bias, 16 channels",
        conv2d(16, 16, three, padding=[1, 1], bias=True),
        [2, 5, 7, 16],
    )
    yield "5x5, padding 2, bias", conv2d(2, 4, [5, 5], padding=[2, 2], bias=True), [2, 6, 5, 2]
    yield "1x1", conv2d(6, 9, [1, 1]), [2, 4, 3, 6]
    yield "1x1, stride 2", conv2d(5, 8, [1, 1], stride=[2, 2]), [2, 5, 6, 5]
    yield (
        "3x3, dilation 2, padding 2",
        conv2d(3, 4, three, padding=[2, 2], dilation=[2, 2]),
        [2, 6, 5, 3],
    )
    yield (
        "3x3, stride 2, dilation 2, padding 2",
        conv2d(3, 4, three, stride=[2, 2], padding=[2, 2], dilation=[2, 2]),
        [2, 7, 8, 3],
    )
    yield (
        "kernel 3x1, stride 2x1, padding 1x0",
        conv2d(3, 4, [3, 1], stride=[2, 1], padding=[1, 0]),
        [2, 7, 4, 3],
    )
    yield (
        "kernel 2x3, stride 1x2, padding 0x2, dilation 2x1, bias",
        conv2d(2, 4, [2, 3], stride=[1, 2], padding=[0, 2], dilation=[2, 1], bias=True),
        [2, 5, 6, 2],
    )
    yield "3x3, groups 2", conv2d(6, 8, three, padding=[1, 1], groups=2), [2, 4, 5, 6]
    yield (
        "3x3, groups 3, stride 2, bias",
        conv2d(6, 9, three, stride=[2, 2], padding=[1, 1], groups=3, bias=True),
        [2, 5, 5, 6],
    )
    yield "depthwise 3x3", conv2d(7, 7, three, padding=[1, 1], groups=7), [2, 5, 4, 7]
    yield (
        "depthwise 3x3, stride 2, bias",
        conv2d(5, 5, three, stride=[2, 2], padding=[1, 1], groups=5, bias=True),
        [2, 6, 7, 5],
    )
    yield (
        "depthwise 3x3, two outputs per channel",
        conv2d(3, 6, three, padding=[1, 1], groups=3),
        [2, 5, 4, 3],
    )
    yield "3x3, 1 input channel", conv2d(1, 8, three, padding=[1, 1]), [3, 5, 6, 1]
    yield "3x3, 13 output channels", conv2d(4, 13, three, padding=[1, 1]), [2, 4, 5, 4]
    yield "3x3, 1 output channel", conv2d(4, 1, three, padding=[1, 1]), [2, 4, 5, 4]
    yield "3x3, no padding", conv2d(4, 8, three), [2, 6, 5, 4]
    yield "kernel as large as the image", conv2d(3, 5, [4, 5]), [3, 4, 5, 3]
    yield (
        "3x3, padding 4: some windows see only zeros",
        conv2d(2, 4, three, padding=[4, 4]),
        [1, 3, 4, 2],
    )
    yield "1x1, padding 1, bias", conv2d(3, 4, [1, 1], padding=[1, 1], bias=True), [2, 3, 3, 3]
    sides = {"top": 2, "bottom": 0, "left": 0, "right": 1}
    yield "padding on two sides, bias", conv2d(3, 4, three, padding=sides, bias=True), [2, 4, 5, 3]
    yield "same, stride 2", conv2d(3, 4, three, padding="same", stride=[2, 2]), [2, 6, 5, 3]
    yield "same, even kernel, 16 channels", conv2d(16, 16, [2, 4], padding="same"), [2, 4, 5, 16]
    yield "same, 3x3, 16 channels", conv2d(16, 16, three, padding="same"), [2, 4, 5, 16]
    yield (
        "same, depthwise, stride 2, dilation 2",
        conv2d(5, 5, three, padding="same", stride=[2, 2], dilation=[2, 2], groups=5),
        [2, 6, 7, 5],
    )
    yield "1 sample, 1 pixel", conv2d(3, 4, three, padding=[1, 1]), [1, 1, 1, 3]
    standardized = {"weightStandardization": True}
    yield (
        "weight standardization, 3x3, padding 1, bias",
        conv2d(4, 5, three, padding=[1, 1], bias=True, **standardized),
        [2, 5, 4, 4],
    )
    yield (
        "weight standardization, groups 2, stride 2",
        conv2d(6, 8, three, stride=[2, 2], padding=[1, 1], groups=2, **standardized),
        [2, 5, 5, 6],
    )
    yield (
        "weight standardization, depthwise 3x3",
        conv2d(7, 7, three, padding=[1, 1], groups=7, **standardized),
        [2, 5, 4, 7],
    )


def conv1d_cases():
    yield "3, padding 1, bias", conv1d(4, 5, 3, padding=1, bias=True), [2, 7, 4]
    yield "4, stride 2, dilation 2", conv1d(3, 4, 4, stride=2, dilation=2, padding=2), [2, 9, 3]
    left = {"left": 2, "right": 0}
    yield "causal, groups 2", conv1d(4, 6, 3, padding=left, groups=2, bias=True), [2, 6, 4]
    standardized = {"weightStandardization": True}
    yield "weight standardization, depthwise", conv1d(5, 5, 3, groups=5, **standardized), [2, 6, 5]


def conv_transpose_cases():
    transposed = conv_transpose2d
    twice = {"stride": [2, 2]}
    yield "2x2, stride 2, bias", transposed(5, 3, [2, 2], bias=True, **twice), [2, 4, 3, 5]
    yield "4x4, stride 2, padding 1", transposed(3, 6, [4, 4], padding=[1, 1], **twice), [2, 3, 4, 3]
    yield (
        "3x3, stride 2, padding 1, output padding 1, bias",
        transposed(4, 5, [3, 3], padding=[1, 1], outputPadding=[1, 1], bias=True, **twice),
        [2, 3, 4, 4],
    )
    yield "3x3, padding 1", transposed(3, 4, [3, 3], padding=[1, 1]), [2, 4, 5, 3]
    yield "3x3, 16 channels, bias", transposed(16, 16, [3, 3], bias=True), [2, 4, 3, 16]
    yield (
        "kernel 2x3, stride 3x1, padding 0x1, dilation 1x2, output padding 2x1, bias",
        transposed(
            2,
            3,
            [2, 3],
            stride=[3, 1],
            padding=[0, 1],
            dilation=[1, 2],
            outputPadding=[2, 1],
            bias=True,
        ),
        [2, 3, 4, 2],
    )
    yield (
        "3x3, groups 2, stride 2, bias",
        transposed(4, 6, [3, 3], groups=2, bias=True, **twice),
        [2, 3, 3, 4],
    )
    yield "depthwise 3x3, bias", transposed(5, 5, [3, 3], groups=5, bias=True), [2, 3, 4, 5]
    yield (
        "depthwise 4x4, stride 2, padding 1, bias",
        transposed(5, 5, [4, 4], padding=[1, 1], groups=5, bias=True, **twice),
        [2, 3, 4, 5],
    )


def dense_cases():
    yield "bias", linear(7, 5), [6, 7]
    yield "no bias", linear(8, 16, bias=False), [5, 8]
    yield "13 outputs, 1 sample", linear(20, 13), [1, 20]
    yield "1 output", linear(9, 1), [4, 9]
    yield "weight standardization", linear(11, 6, weightStandardization=True), [4, 11]


def batch_norm_cases():
    cumulative = {"momentum": None}
    yield "training", batch_norm(5), [4, 3, 4, 5], {}
    yield "training, [N, F]", batch_norm(6), [8, 6], {}
    yield "training, 1x1 images", batch_norm(6), [7, 1, 1, 6], {}
    yield "training, 1 channel", batch_norm(1), [3, 4, 5, 1], {}
    yield "training, 17 channels", batch_norm(17), [3, 2, 3, 17], {}
    yield "training, 1 sample", batch_norm(4), [1, 5, 5, 4], {}
    yield "training, no affine", batch_norm(5, affine=False), [4, 3, 3, 5], {}
    yield "training, eps 0.1, momentum 0.3", batch_norm(4, eps=0.1, momentum=0.3), [4, 3, 3, 4], {}
    yield "training, no tracking", batch_norm(4, trackRunningStats=False), [4, 3, 3, 4], {}
    yield "training, momentum null, first batch", batch_norm(4, **cumulative), [4, 3, 3, 4], {}
    yield (
        "training, momentum null, fourth batch",
        batch_norm(4, **cumulative),
        [4, 3, 3, 4],
        {"batches_tracked": 3},
    )
    yield "training, mean 1e3", batch_norm(5), [4, 4, 4, 5], {"make_input": shifted(LARGE_MEAN)}
    yield "training, mean 1e6", batch_norm(5), [4, 4, 4, 5], {"make_input": shifted(HUGE_MEAN)}
    yield (
        "training, one channel constant",
        batch_norm(3),
        [4, 3, 3, 3],
        {"make_input": one_constant_channel},
    )
    evaluating = {"training": False}
    yield "evaluation", batch_norm(5), [4, 3, 4, 5], evaluating
    yield "evaluation, [N, F]", batch_norm(6), [5, 6], evaluating
    yield "evaluation, 1 sample, 1 pixel", batch_norm(9), [1, 1, 1, 9], evaluating
    yield "evaluation, no affine", batch_norm(5, affine=False), [3, 3, 3, 5], evaluating
    yield (
        "evaluation, no tracking: batch statistics",
        batch_norm(4, trackRunningStats=False),
        [4, 3, 3, 4],
        evaluating,
    )
    yield "training, BatchNorm1d of [N, L, C]", batch_norm(5), [4, 6, 5], {}
    yield "training, BatchNorm3d", batch_norm(3), [2, 3, 2, 4, 3], {}
    yield "evaluation, BatchNorm1d of [N, L, C]", batch_norm(5), [3, 4, 5], evaluating
    yield "evaluation, BatchNorm3d", batch_norm(3), [2, 2, 3, 2, 3], evaluating
    ghost = {"virtualBatch": 3}
    yield "ghost, 3 of 6 samples", batch_norm(5, **ghost), [6, 3, 4, 5], {}
    yield "ghost, 3 of 8 samples", batch_norm(4, **ghost), [8, 2, 3, 4], {}
    yield "ghost, [N, F], no affine", batch_norm(6, affine=False, **ghost), [8, 6], {}
    frozen = {"frozen": True}
    yield "frozen", batch_norm(5, **frozen), [3, 3, 4, 5], {}
    yield "frozen, no affine", batch_norm(6, affine=False, **frozen), [5, 6], {}
    yield "frozen, evaluation", batch_norm(5, **frozen), [3, 3, 4, 5], evaluating


def other_norm_cases():
    large = {"make_input": shifted(LARGE_MEAN)}
    yield "8 channels in 2 groups", group_norm(2, 8), [3, 4, 3, 8], {}
    yield "1 group", group_norm(1, 6), [3, 3, 4, 6], {}
    yield "a group per channel", group_norm(6, 6), [3, 3, 4, 6], {}
    yield "9 channels in 3 groups, 1x1 images", group_norm(3, 9), [4, 1, 1, 9], {}
    yield "[N, F]", group_norm(2, 10), [4, 10], {}
    yield "no affine, eps 1e-3", group_norm(4, 8, affine=False, eps=1e-3), [2, 3, 3, 8], {}
    yield "mean 1e3", group_norm(2, 6), [2, 4, 4, 6], large
    yield "[F]", layer_norm(12), [5, 12], {}
    yield "[H, W, C]", layer_norm(3, 4, 5), [3, 3, 4, 5], {}
    yield "no affine", layer_norm(3, 3, 4, affine=False), [3, 3, 3, 4], {}
    yield "last axis of images", layer_norm(6), [2, 3, 3, 6], {}
    yield "mean 1e3", layer_norm(16), [4, 16], large
    yield "affine", instance_norm(5), [3, 4, 3, 5], {}
    yield "no affine", instance_norm(4, affine=False), [3, 4, 3, 4], {}
    yield "mean 1e3", instance_norm(4), [2, 4, 4, 4], large
    tracking = {"trackRunningStats": True}
    yield "tracking", instance_norm(5, **tracking), [3, 4, 3, 5], {}
    yield "tracking, no affine", instance_norm(4, affine=False, **tracking), [2, 7, 4], {}
    yield (
        "tracking, momentum null, fourth batch",
        instance_norm(4, momentum=None, **tracking),
        [4, 3, 3, 4],
        {"batches_tracked": 3},
    )
    yield "tracking, evaluation", instance_norm(5, **tracking), [3, 4, 3, 5], {"training": False}


def added_norm_cases():
    large = {"make_input": shifted(LARGE_MEAN)}
    evaluating = {"training": False}
    yield "[F]", rms_norm(13), [5, 13], {}
    yield "[H, W, C]", rms_norm(3, 4, 5), [3, 3, 4, 5], {}
    yield "last axis of images", rms_norm(6), [2, 3, 3, 6], {}
    yield "no affine, eps 1e-3", rms_norm(12, affine=False, eps=1e-3), [4, 12], {}
    yield "mean 1e3", rms_norm(16), [4, 16], large
    yield "images", filter_response_norm(5), [3, 4, 3, 5], {}
    yield "no threshold", filter_response_norm(4, tlu=False), [3, 3, 3, 4], {}
    yield "no affine", filter_response_norm(8, affine=False), [2, 3, 4, 8], {}
    yield "[N, L, C], eps 0.1", filter_response_norm(3, eps=0.1), [4, 6, 3], {}
    yield "1x1 images", filter_response_norm(6, eps=0.5), [4, 1, 1, 6], {}
    yield "mean 1e3", filter_response_norm(5), [2, 4, 4, 5], large
    yield "training", batch_renorm(5), [4, 3, 4, 5], {}
    yield "training, [N, F], momentum 0.3", batch_renorm(6, momentum=0.3), [8, 6], {}
    yield "training, clipped", batch_renorm(5, rMax=1.1, dMax=0.2), [4, 3, 3, 5], {}
    yield "training, no affine", batch_renorm(7, affine=False), [4, 3, 3, 7], {}
    yield "training, as batchNorm", batch_renorm(4, rMax=1, dMax=0), [4, 3, 3, 4], {}
    yield "training, mean 1e3", batch_renorm(5), [4, 4, 4, 5], large
    yield "evaluation", batch_renorm(5), [3, 3, 4, 5], evaluating


def pool_cases():
    ties = {"make_input": whole_numbers}
    yield "2x2", pool("maxPool", [2, 2], [2, 2], [0, 0]), [2, 6, 4, 5], {}
    yield "3x3, stride 2, padding 1", pool("maxPool", [3, 3], [2, 2], [1, 1]), [2, 5, 6, 3], {}
    yield "overlapping, asymmetric", pool("maxPool", [3, 2], [1, 2], [1, 0]), [2, 5, 5, 4], {}
    yield "rest left over", pool("maxPool", [2, 2], [2, 2], [0, 0]), [2, 5, 7, 3], {}
    yield "ties: the first one wins", pool("maxPool", [3, 3], [2, 2], [1, 1]), [2, 6, 6, 3], ties
    included, excluded = ({"countIncludePad": flag} for flag in (True, False))
    yield "2x2", pool("avgPool", [2, 2], [2, 2], [0, 0], **included), [2, 6, 4, 5], {}
    padded = ([3, 3], [2, 2], [1, 1])
    yield "padding counted", pool("avgPool", *padded, **included), [2, 5, 6, 3], {}
    yield "padding not counted", pool("avgPool", *padded, **excluded), [2, 5, 6, 3], {}
    asymmetric = ([3, 2], [1, 2], [1, 0])
    yield "overlapping, asymmetric", pool("avgPool", *asymmetric, **excluded), [2, 5, 5, 4], {}
    same = ([3, 2], [2, 2], "same")
    yield "same", pool("maxPool", *same), [2, 5, 6, 3], {}
    yield "same, padding counted", pool("avgPool", *same, **included), [2, 6, 5, 3], {}
    yield "same, padding not counted", pool("avgPool", *same, **excluded), [2, 6, 5, 3], {}
    bottom = {"top": 0, "bottom": 2, "left": 1, "right": 0}
    yield "three sides", pool("avgPool", [3, 3], [1, 1], bottom, **excluded), [2, 3, 4, 5], {}
    yield "images", {"kind": "globalAvgPool"}, [3, 4, 5, 6], {}
    yield "1x1 images", {"kind": "globalAvgPool"}, [3, 1, 1, 7], {}


def prelu(num_parameters):
    return {"kind": "prelu", "numParameters": num_parameters, "init": 0.25}


def activation_cases():
    special = {"make_input": with_special_values}
    yield "images", {"kind": "relu"}, [2, 3, 3, 4], special
    yield "slope 0.01", {"kind": "leakyRelu", "negativeSlope": 0.01}, [5, 9], special
    yield "slope 0.2", {"kind": "leakyRelu", "negativeSlope": 0.2}, [5, 9], special
    yield "exact", {"kind": "gelu", "approximate": "none"}, [6, 11], special
    yield "by tanh", {"kind": "gelu", "approximate": "tanh"}, [6, 11], special
    yield "[N, F]", {"kind": "sigmoid"}, [6, 11], special
    yield "[N, F]", {"kind": "tanh"}, [6, 11], special
    yield "[N, F]", {"kind": "silu"}, [6, 11], special
    yield "images", {"kind": "relu6"}, [2, 3, 3, 4], special
    yield "[N, F]", {"kind": "hardSigmoid"}, [6, 11], special
    yield "[N, F]", {"kind": "hardSwish"}, [6, 11], special
    yield "alpha 1", {"kind": "elu", "alpha": 1}, [6, 11], special
    yield "alpha 0.3", {"kind": "elu", "alpha": 0.3}, [5, 9], special
    yield "images, one weight", prelu(1), [2, 3, 3, 4], special
    yield "images, one for each channel", prelu(4), [2, 3, 3, 4], special
    yield "[N, F], one for each feature", prelu(9), [5, 9], special
    yield "[N, F]", {"kind": "softmax"}, [5, 9], {}
    yield "last axis of images", {"kind": "softmax"}, [2, 2, 3, 5], special
    yield "1 channel", {"kind": "softmax"}, [3, 2, 2, 1], {}
    yield "images", {"kind": "dropout2d", "p": 0.4}, [3, 2, 3, 5], {}
    yield "rows", {"kind": "dropPath", "p": 0.3}, [7, 2, 2, 3], {}


def make_cases():
    for cases in (conv_cases(), conv1d_cases(), conv_transpose_cases(), dense_cases()):
        for name, spec, shape in cases:
            yield layer_case(f"{spec['kind']}: {name}", spec, shape)
    plain = (pool_cases(), image_layer_cases(), activation_cases(), recurrent_cases())
    for cases in (batch_norm_cases(), other_norm_cases(), added_norm_cases(), *plain):
        for name, spec, shape, options in cases:
            yield layer_case(f"{spec['kind']}: {name}", spec, shape, **options)


def loss_case(name, spec, shape, scale=2.0):
    """One loss, a mean over the batch. meanSquaredError is a mean over the features as well."""
    generator = generator_of(name)
    x = normal(generator, shape, scale).requires_grad_()
    case = {"name": name, "spec": spec, "input": to_json(x)}
    if spec["kind"] == "crossEntropy":
        labels = torch.randint(0, shape[1], [shape[0]], generator=generator)
        case["labels"] = labels.tolist()
        loss = F.cross_entropy(x, labels, label_smoothing=spec["labelSmoothing"])
    else:
        targets = normal(generator, shape)
        case["targets"] = to_json(targets)
        loss = F.mse_loss(x, targets)
    loss.backward()
    return case | {"loss": to_number(loss.item()), "inputGradient": to_json(x.grad)}


def make_losses():
    plain = {"kind": "crossEntropy", "labelSmoothing": 0.0}
    smooth = {"kind": "crossEntropy", "labelSmoothing": 0.1}
    yield loss_case("crossEntropy", plain, [8, 10])
    yield loss_case("crossEntropy, 2 classes", plain, [5, 2])
    yield loss_case("crossEntropy, logits of 100", plain, [6, 7], scale=100.0)
    yield loss_case("crossEntropy, labels smoothed by 0.1", smooth, [8, 10])
    yield loss_case("crossEntropy, 1 sample, smoothed", smooth, [1, 5])
    yield loss_case("meanSquaredError", {"kind": "meanSquaredError"}, [6, 4])
    yield loss_case("meanSquaredError, 1 output", {"kind": "meanSquaredError"}, [5, 1])
