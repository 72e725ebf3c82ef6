"""Our layers computed by PyTorch, their specs, and numbers as JSON.

Tensors are kept in the library's own layout (channels last) and are only turned to PyTorch's on the
way into it, so that autograd returns the gradients in our layout too.
"""

import math
import zlib

import torch
from torch.nn import functional as F

SEED = 20261
# Of inputs and parameters.
INPUT_DECIMALS = 4


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


def run_conv2d(spec, x, parameters):
    y = F.conv2d(
        to_channels_first(x),
        parameters["weight"].permute(3, 2, 0, 1).contiguous(),
        parameters.get("bias"),
        stride=spec["stride"],
        padding=spec["padding"],
        dilation=spec["dilation"],
        groups=spec["groups"],
    )
    return to_channels_last(y)


def run_linear(_spec, x, parameters):
    return F.linear(x, parameters["weight"].t().contiguous(), parameters.get("bias"))


def run_group_norm(spec, x, parameters):
    affine = (parameters.get("weight"), parameters.get("bias"))
    return to_channels_last(
        F.group_norm(to_channels_first(x), spec["numGroups"], *affine, eps=spec["eps"])
    )


def run_layer_norm(spec, x, parameters):
    affine = (parameters.get("weight"), parameters.get("bias"))
    return F.layer_norm(x, spec["normalizedShape"], *affine, eps=spec["eps"])


def run_instance_norm(spec, x, parameters):
    affine = {name: parameters.get(name) for name in ("weight", "bias")}
    return to_channels_last(F.instance_norm(to_channels_first(x), **affine, eps=spec["eps"]))


def run_max_pool(spec, x, _parameters):
    window = (spec["kernel"], spec["stride"], spec["padding"])
    return to_channels_last(F.max_pool2d(to_channels_first(x), *window))


def run_avg_pool(spec, x, _parameters):
    window = (spec["kernel"], spec["stride"], spec["padding"])
    return to_channels_last(
        F.avg_pool2d(to_channels_first(x), *window, count_include_pad=spec["countIncludePad"])
    )


RUN = {
    "conv2d": run_conv2d,
    "linear": run_linear,
    "groupNorm": run_group_norm,
    "layerNorm": run_layer_norm,
    "instanceNorm": run_instance_norm,
    "relu": lambda _spec, x, _p: F.relu(x),
    "leakyRelu": lambda spec, x, _p: F.leaky_relu(x, spec["negativeSlope"]),
    "gelu": lambda spec, x, _p: F.gelu(x, approximate=spec["approximate"]),
    "sigmoid": lambda _spec, x, _p: torch.sigmoid(x),
    "tanh": lambda _spec, x, _p: torch.tanh(x),
    "maxPool": run_max_pool,
    "avgPool": run_avg_pool,
    "globalAvgPool": lambda _spec, x, _p: x.mean((1, 2)),
}


def run_batch_norm(spec, x, parameters, state):
    """`state` is buffers, training and batchesTracked; its running statistics change in place."""
    momentum = spec["momentum"]
    if momentum is None:
        momentum = 1 / (state["batchesTracked"] + 1)
    buffers = state["buffers"]
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


def run_layer(spec, x, parameters, state):
    if spec["kind"] == "batchNorm":
        return run_batch_norm(spec, x, parameters, state)
    return RUN[spec["kind"]](spec, x, parameters)


def parameter_shapes(spec):
    """Our shapes of what a layer trains, by name."""
    kind = spec["kind"]
    if kind == "conv2d":
        shape = [*spec["kernel"], spec["inChannels"] // spec["groups"], spec["outChannels"]]
        return {"weight": shape} | ({"bias": [spec["outChannels"]]} if spec["bias"] else {})
    if kind == "linear":
        shape = [spec["inFeatures"], spec["outFeatures"]]
        return {"weight": shape} | ({"bias": [spec["outFeatures"]]} if spec["bias"] else {})
    if spec.get("affine"):
        shape = spec["normalizedShape"] if kind == "layerNorm" else [spec["channels"]]
        return {"weight": shape, "bias": shape}
    return {}


def make_parameters(spec, generator):
    """Weights of conv and linear keep the scale of the activations; those of norms are around 1."""
    made = {}
    for name, shape in parameter_shapes(spec).items():
        if name == "bias":
            made[name] = normal(generator, shape, scale=0.5)
        elif spec.get("affine"):
            made[name] = normal(generator, shape, scale=0.3, shift=1.0)
        else:
            made[name] = normal(generator, shape, scale=1 / math.sqrt(math.prod(shape[:-1])))
    return made


def make_buffers(spec, generator):
    if not spec.get("trackRunningStats"):
        return {}
    mean = normal(generator, [spec["channels"]])
    return {"runningMean": mean, "runningVar": normal(generator, [spec["channels"]]).abs() + 0.5}


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
    }
    return spec | options


def linear(in_features, out_features, bias=True):
    return {
        "kind": "linear",
        "inFeatures": in_features,
        "outFeatures": out_features,
        "bias": bias,
        "init": "torch",
    }


def batch_norm(channels, **options):
    spec = {
        "kind": "batchNorm",
        "channels": channels,
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "trackRunningStats": True,
        "sync": "local",
    }
    return spec | options


def group_norm(num_groups, channels, **options):
    spec = {"kind": "groupNorm", "numGroups": num_groups, "channels": channels}
    return spec | {"eps": 1e-5, "affine": True} | options


def layer_norm(*normalized_shape, **options):
    spec = {"kind": "layerNorm", "normalizedShape": list(normalized_shape)}
    return spec | {"eps": 1e-5, "affine": True} | options


def instance_norm(channels, **options):
    return {"kind": "instanceNorm", "channels": channels, "eps": 1e-5, "affine": True} | options


def pool(kind, kernel, stride, padding, **options):
    return {"kind": kind, "kernel": kernel, "stride": stride, "padding": padding} | options
