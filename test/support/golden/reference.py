"""Our layers computed by PyTorch, their specs, and numbers as JSON.

Tensors are kept in the library's own layout (channels last) and are only turned to PyTorch's on the
way into it, so that autograd returns the gradients in our layout too.
"""

import math
import zlib

import torch
from torch.nn import functional as F

from image_layers import IMAGE_LAYERS, zeros_of

SEED = 20261
# Of inputs and parameters.
INPUT_DECIMALS = 4
WEIGHT_STANDARDIZATION_EPS = 1e-5


def generator_of(name):
    """A stream that depends on the case's name alone, so that new cases leave the others alone."""
    return torch.Generator().manual_seed(SEED + zlib.crc32(name.encode()))


def to_float32(values):
    """Four decimals, which keep the JSON short, as float32 numbers held in float64."""
    return values.round(decimals=INPUT_DECIMALS).float().double()


def normal(generator, shape, scale=1.0, shift=0.0):
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    return to_float32(values * scale + shift)


def to_number(value):
    """A float64 number, such as a loss, with 9 significant digits."""
    return float(f"{value:.9g}")


def to_json(tensor):
    """Shape and data, each number as the shortest text (at most 9 digits) of its float32 value."""
    rounded = tensor.detach().float().contiguous()
    return {
        "shape": list(rounded.shape),
        "data": [float(str(value)) for value in rounded.numpy().ravel()],
    }


def all_to_json(tensors):
    return {name: to_json(tensor) for name, tensor in tensors.items()}


def to_channels_first(x):
    return x.movedim(-1, 1)


def to_channels_last(x):
    return x.movedim(1, -1)


def weight_of(spec, weight):
    """PyTorch's weight, outputs first; standardized as timm's StdConv2d does it."""
    weight = weight.movedim(-1, 0)
    if not spec["weightStandardization"]:
        return weight
    rows = weight.reshape(1, weight.shape[0], -1)
    standardized = F.batch_norm(rows, None, None, training=True, eps=WEIGHT_STANDARDIZATION_EPS)
    return standardized.reshape(weight.shape)


def run_conv2d(spec, x, parameters):
    x = to_channels_first(x)
    y = F.conv2d(
        F.pad(x, zeros_of(spec, x)),
        weight_of(spec, parameters["weight"]).permute(0, 3, 1, 2).contiguous(),
        parameters.get("bias"),
        stride=spec["stride"],
        dilation=spec["dilation"],
        groups=spec["groups"],
    )
    return to_channels_last(y)


def run_conv1d(spec, x, parameters):
    zeros = spec["padding"]
    zeros = [zeros["left"], zeros["right"]] if isinstance(zeros, dict) else [zeros, zeros]
    y = F.conv1d(
        F.pad(to_channels_first(x), zeros),
        weight_of(spec, parameters["weight"]).movedim(2, 1).contiguous(),
        parameters.get("bias"),
        stride=spec["stride"],
        dilation=spec["dilation"],
        groups=spec["groups"],
    )
    return to_channels_last(y)


def run_conv_transpose2d(spec, x, parameters):
    y = F.conv_transpose2d(
        to_channels_first(x),
        parameters["weight"].permute(3, 2, 0, 1).contiguous(),
        parameters.get("bias"),
        stride=spec["stride"],
        padding=spec["padding"],
        output_padding=spec["outputPadding"],
        groups=spec["groups"],
        dilation=spec["dilation"],
    )
    return to_channels_last(y)


def run_linear(spec, x, parameters):
    return F.linear(
        x, weight_of(spec, parameters["weight"]).contiguous(), parameters.get("bias")
    )


def run_group_norm(spec, x, parameters):
    affine = (parameters.get("weight"), parameters.get("bias"))
    return to_channels_last(
        F.group_norm(to_channels_first(x), spec["numGroups"], *affine, eps=spec["eps"])
    )


def run_layer_norm(spec, x, parameters):
    affine = (parameters.get("weight"), parameters.get("bias"))
    return F.layer_norm(x, spec["normalizedShape"], *affine, eps=spec["eps"])


def run_rms_norm(spec, x, parameters):
    """PyTorch 1.13 has no RMSNorm: the formula, with its autograd."""
    axes = tuple(range(-len(spec["normalizedShape"]), 0))
    y = x / torch.sqrt(x.square().mean(axes, keepdim=True) + spec["eps"])
    return y * parameters["weight"] if spec["affine"] else y


def run_filter_response_norm(spec, x, parameters):
    """PyTorch has none: the paper's formula, with autograd."""
    axes = tuple(range(1, x.dim() - 1))
    square = x.square().mean(axes, keepdim=True) if axes else x.square()
    y = x / torch.sqrt(square + spec["eps"])
    if spec["affine"]:
        y = y * parameters["weight"] + parameters["bias"]
    return torch.maximum(y, parameters["threshold"]) if spec["tlu"] else y


def run_dropout2d(spec, x, _parameters):
    """PyTorch's random numbers: a test can only read from the output what was dropped."""
    torch.manual_seed(SEED)
    return to_channels_last(F.dropout2d(to_channels_first(x), spec["p"]))


def run_drop_path(spec, x, _parameters):
    """PyTorch itself has none: the formula of torchvision's stochastic_depth, mode "row"."""
    torch.manual_seed(SEED)
    survival = 1 - spec["p"]
    noise = torch.empty([len(x)] + [1] * (x.dim() - 1), dtype=x.dtype).bernoulli_(survival)
    return x * noise.div_(survival)


RUN = {
    "conv1d": run_conv1d,
    "conv2d": run_conv2d,
    "convTranspose2d": run_conv_transpose2d,
    "linear": run_linear,
    "groupNorm": run_group_norm,
    "layerNorm": run_layer_norm,
    "rmsNorm": run_rms_norm,
    "filterResponseNorm": run_filter_response_norm,
    "relu": lambda _spec, x, _p: F.relu(x),
    "relu6": lambda _spec, x, _p: F.relu6(x),
    "leakyRelu": lambda spec, x, _p: F.leaky_relu(x, spec["negativeSlope"]),
    "prelu": lambda _spec, x, p: to_channels_last(F.prelu(to_channels_first(x), p["weight"])),
    "elu": lambda spec, x, _p: F.elu(x, spec["alpha"]),
    "gelu": lambda spec, x, _p: F.gelu(x, approximate=spec["approximate"]),
    "sigmoid": lambda _spec, x, _p: torch.sigmoid(x),
    "tanh": lambda _spec, x, _p: torch.tanh(x),
    "silu": lambda _spec, x, _p: F.silu(x),
    "hardSigmoid": lambda _spec, x, _p: F.hardsigmoid(x),
    "hardSwish": lambda _spec, x, _p: F.hardswish(x),
    "softmax": lambda _spec, x, _p: F.softmax(x, -1),
    "dropout2d": run_dropout2d,
    "dropPath": run_drop_path,
    "globalAvgPool": lambda _spec, x, _p: x.mean((1, 2)),
    **IMAGE_LAYERS,
}


def run_batch_norm(spec, x, parameters, state):
    """`state` is buffers, training and batchesTracked; its running statistics change in place."""
    momentum = spec["momentum"]
    if momentum is None:
        momentum = 1 / (state["batchesTracked"] + 1)
    buffers = state["buffers"]
    if spec["frozen"]:
        return run_frozen(spec, x, buffers)
    if spec["virtualBatch"] is not None:
        return run_ghost(spec, x, parameters, buffers)
    y = F.batch_norm(
        to_channels_first(x),
        buffers.get("runningMean"),
        buffers.get("runningVar"),
        parameters.get("weight"),
        parameters.get("bias"),
        training=state["training"] or not spec["trackRunningStats"],
        momentum=momentum,
        eps=spec["eps"],
    )
    return to_channels_last(y)


def run_frozen(spec, x, buffers):
    """torchvision's FrozenBatchNorm2d, over the last axis."""
    scale = buffers.get("weight", 1) * (buffers["runningVar"] + spec["eps"]).rsqrt()
    return x * scale + (buffers.get("bias", 0) - buffers["runningMean"] * scale)


def run_ghost(spec, x, parameters, buffers):
    """Each virtual batch by itself; its running statistics weigh as many as it has samples."""
    outputs = []
    before = {name: buffer.clone() for name, buffer in buffers.items()}
    for buffer in buffers.values():
        buffer.zero_()
    for part in x.split(spec["virtualBatch"]):
        observed = {name: buffer.clone() for name, buffer in before.items()}
        y = F.batch_norm(
            to_channels_first(part),
            observed.get("runningMean"),
            observed.get("runningVar"),
            parameters.get("weight"),
            parameters.get("bias"),
            training=True,
            momentum=spec["momentum"],
            eps=spec["eps"],
        )
        outputs.append(to_channels_last(y))
        for name, buffer in buffers.items():
            buffer += observed[name] * (len(part) / len(x))
    return torch.cat(outputs)


def run_instance_norm(spec, x, parameters, state):
    """Its running statistics change in place."""
    buffers = state["buffers"]
    momentum = 1 / (state["batchesTracked"] + 1) if spec["momentum"] is None else spec["momentum"]
    y = F.instance_norm(
        to_channels_first(x),
        buffers.get("runningMean"),
        buffers.get("runningVar"),
        parameters.get("weight"),
        parameters.get("bias"),
        use_input_stats=state["training"] or not spec["trackRunningStats"],
        momentum=momentum,
        eps=spec["eps"],
    )
    return to_channels_last(y)


def run_batch_renorm(spec, x, parameters, state):
    """PyTorch has none: Ioffe's algorithm 1 with our running variance; r and d are detached."""
    buffers = state["buffers"]
    axes = tuple(range(x.dim() - 1))
    running_mean, running_var = buffers["runningMean"], buffers["runningVar"]
    running_std = torch.sqrt(running_var + spec["eps"])
    if state["training"]:
        mean = x.mean(axes)
        std = torch.sqrt(x.var(axes, unbiased=False) + spec["eps"])
        r_max, d_max = spec["rMax"], spec["dMax"]
        r = (std / running_std).clamp(1 / r_max, r_max).detach()
        d = ((mean - running_mean) / running_std).clamp(-d_max, d_max).detach()
        y = (x - mean) / std * r + d
        with torch.no_grad():
            running_mean.lerp_(mean, spec["momentum"])
            running_var.lerp_(x.var(axes, unbiased=True), spec["momentum"])
    else:
        y = (x - running_mean) / running_std
    return y * parameters["weight"] + parameters["bias"] if spec["affine"] else y


STATEFUL = {
    "batchNorm": run_batch_norm,
    "batchRenorm": run_batch_renorm,
    "instanceNorm": run_instance_norm,
}


def run_layer(spec, x, parameters, state):
    if spec["kind"] in STATEFUL:
        return STATEFUL[spec["kind"]](spec, x, parameters, state)
    return RUN[spec["kind"]](spec, x, parameters)


def parameter_shapes(spec):
    """Our shapes of what a layer trains, by name."""
    kind = spec["kind"]
    if kind == "conv2d":
        shape = [*spec["kernel"], spec["inChannels"] // spec["groups"], spec["outChannels"]]
        return {"weight": shape} | ({"bias": [spec["outChannels"]]} if spec["bias"] else {})
    if kind == "conv1d":
        shape = [spec["kernel"], spec["inChannels"] // spec["groups"], spec["outChannels"]]
        return {"weight": shape} | ({"bias": [spec["outChannels"]]} if spec["bias"] else {})
    if kind == "convTranspose2d":
        shape = [*spec["kernel"], spec["outChannels"] // spec["groups"], spec["inChannels"]]
        return {"weight": shape} | ({"bias": [spec["outChannels"]]} if spec["bias"] else {})
    if kind == "linear":
        shape = [spec["inFeatures"], spec["outFeatures"]]
        return {"weight": shape} | ({"bias": [spec["outFeatures"]]} if spec["bias"] else {})
    if kind == "prelu":
        return {"weight": [spec["numParameters"]]}
    if spec.get("frozen"):
        return {}
    shapes = {}
    if spec.get("affine"):
        shape = spec.get("normalizedShape") or [spec["channels"]]
        shapes = {"weight": shape} | ({} if kind == "rmsNorm" else {"bias": shape})
    return shapes | ({"threshold": [spec["channels"]]} if spec.get("tlu") else {})


def make_parameters(spec, generator):
    """Weights of conv and linear keep the scale of the activations; those of norms are around 1."""
    made = {}
    for name, shape in parameter_shapes(spec).items():
        if name in ("bias", "threshold"):
            made[name] = normal(generator, shape, scale=0.5)
        elif spec.get("affine"):
            made[name] = normal(generator, shape, scale=0.3, shift=1.0)
        else:
            made[name] = normal(generator, shape, scale=1 / math.sqrt(math.prod(shape[:-1])))
    return made


def make_buffers(spec, generator):
    if not (spec.get("trackRunningStats") or spec["kind"] == "batchRenorm"):
        return {}
    channels = [spec["channels"]]
    mean = normal(generator, channels)
    made = {"runningMean": mean, "runningVar": normal(generator, channels).abs() + 0.5}
    if spec.get("frozen") and spec["affine"]:
        made["weight"] = normal(generator, channels, scale=0.3, shift=1.0)
        made["bias"] = normal(generator, channels, scale=0.5)
    return made


def conv2d(in_channels, out_channels, kernel, **options):
    spec = {
        "kind": "conv2d",
        "inChannels": in_channels,
        "outChannels": out_channels,
        "kernel": kernel,
        "stride": [1, 1],
        "padding": [0, 0],
        "dilation": [1, 1],
        "groups": 1,
        "bias": False,
        "init": "torch",
        "weightStandardization": False,
        "algorithm": "auto",
    }
    return spec | options


def conv1d(in_channels, out_channels, kernel, **options):
    spec = conv2d(in_channels, out_channels, kernel, stride=1, padding=0, dilation=1)
    del spec["algorithm"]
    return spec | {"kind": "conv1d"} | options


def conv_transpose2d(in_channels, out_channels, kernel, **options):
    spec = conv2d(in_channels, out_channels, kernel, outputPadding=[0, 0])
    del spec["weightStandardization"]
    return spec | {"kind": "convTranspose2d"} | options


def linear(in_features, out_features, bias=True, **options):
    spec = {
        "kind": "linear",
        "inFeatures": in_features,
        "outFeatures": out_features,
        "bias": bias,
        "init": "torch",
        "weightStandardization": False,
    }
    return spec | options


def batch_norm(channels, **options):
    spec = {
        "kind": "batchNorm",
        "channels": channels,
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "trackRunningStats": True,
        "sync": "local",
        "virtualBatch": None,
        "frozen": False,
    }
    return spec | options


def batch_renorm(channels, **options):
    spec = {
        "kind": "batchRenorm",
        "channels": channels,
        "eps": 1e-5,
        "momentum": 0.01,
        "affine": True,
        "sync": "local",
        "rMax": 3,
        "dMax": 5,
        "warmupSteps": 0,
    }
    return spec | options


def group_norm(num_groups, channels, **options):
    spec = {"kind": "groupNorm", "numGroups": num_groups, "channels": channels}
    return spec | {"eps": 1e-5, "affine": True} | options


def layer_norm(*normalized_shape, **options):
    spec = {"kind": "layerNorm", "normalizedShape": list(normalized_shape)}
    return spec | {"eps": 1e-5, "affine": True} | options


def instance_norm(channels, **options):
    spec = {"kind": "instanceNorm", "channels": channels, "eps": 1e-5, "affine": True}
    return spec | {"momentum": 0.1, "trackRunningStats": False} | options


def rms_norm(*normalized_shape, **options):
    spec = {"kind": "rmsNorm", "normalizedShape": list(normalized_shape)}
    return spec | {"eps": 1e-5, "affine": True} | options


def filter_response_norm(channels, **options):
    spec = {"kind": "filterResponseNorm", "channels": channels}
    return spec | {"eps": 1e-6, "affine": True, "tlu": True} | options


def pool(kind, kernel, stride, padding, **options):
    return {"kind": kind, "kernel": kernel, "stride": stride, "padding": padding} | options
