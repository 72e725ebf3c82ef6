"""Layers of images without parameters besides pools: PyTorch's functions, and their cases."""

import math

import torch
from torch.nn import functional as F


def channels_first(function):
    """A function of ours made of one of PyTorch's."""
    return lambda spec, x, _parameters: function(spec, x.movedim(-1, 1)).movedim(1, -1)


def zeros_of(spec, x):
    """Left, right, top and bottom, for F.pad; those of `same` by TensorFlow's formula."""
    padding = spec["padding"]
    if isinstance(padding, dict):
        return [padding[side] for side in ("left", "right", "top", "bottom")]
    if padding != "same":
        return [padding[1], padding[1], padding[0], padding[0]]
    zeros = []
    for axis in (1, 0):
        size, stride = x.shape[2 + axis], spec["stride"][axis]
        reach = spec.get("dilation", [1, 1])[axis] * (spec["kernel"][axis] - 1) + 1
        total = max(reach - (size % stride or stride), 0)
        zeros += [total // 2, total - total // 2]
    return zeros


def max_pool(spec, x):
    bordered = F.pad(x, zeros_of(spec, x), value=-math.inf)
    return F.max_pool2d(bordered, spec["kernel"], spec["stride"])


def avg_pool(spec, x):
    window = (spec["kernel"], spec["stride"])
    zeros = zeros_of(spec, x)
    means = F.avg_pool2d(F.pad(x, zeros), *window)
    if spec["countIncludePad"]:
        return means
    return means / F.avg_pool2d(F.pad(torch.ones_like(x), zeros), *window)


def upsample(spec, x):
    scale = tuple(map(float, spec["scale"])) if "scale" in spec else None
    size = tuple(spec["size"]) if "size" in spec else None
    aligned = {"align_corners": spec["alignCorners"]} if spec["mode"] == "bilinear" else {}
    return F.interpolate(x, size=size, scale_factor=scale, mode=spec["mode"], **aligned)


def pad(spec, x):
    return F.pad(x, [spec[side] for side in ("left", "right", "top", "bottom")])


def slice_of(spec, x, _parameters):
    axes = {4: ("rows", "columns", "channels"), 3: ("rows", "channels"), 2: ("channels",)}
    ranges = [slice(*spec.get(axis, (None, None))) for axis in axes[x.dim()]]
    return x[(slice(None), *ranges)]


def of_row(function):
    """A layer of sequences as one of images of one row."""

    def run(spec, x):
        padding = spec["padding"]
        if isinstance(padding, dict):
            padding = {"top": 0, "bottom": 0} | padding
        elif padding != "same":
            padding = [0, padding]
        row = {"kernel": [1, spec["kernel"]], "stride": [1, spec["stride"]], "padding": padding}
        return function(spec | row, x.unsqueeze(2)).squeeze(2)

    return run


def max_pool1d(spec, x):
    if isinstance(spec["padding"], int):
        return F.max_pool1d(x, spec["kernel"], spec["stride"], spec["padding"])
    return of_row(max_pool)(spec, x)


def avg_pool1d(spec, x):
    window = (spec["kernel"], spec["stride"], spec["padding"])
    if isinstance(spec["padding"], int):
        return F.avg_pool1d(x, *window, count_include_pad=spec["countIncludePad"])
    return of_row(avg_pool)(spec, x)


def global_max(x):
    return F.adaptive_max_pool2d(x.movedim(-1, 1), 1).flatten(1)


IMAGE_LAYERS = {
    "maxPool1d": channels_first(max_pool1d),
    "avgPool1d": channels_first(avg_pool1d),
    "adaptiveAvgPool": channels_first(lambda spec, x: F.adaptive_avg_pool2d(x, spec["size"])),
    "adaptiveMaxPool": channels_first(lambda spec, x: F.adaptive_max_pool2d(x, spec["size"])),
    "globalMaxPool": lambda _spec, x, _parameters: global_max(x),
    "maxPool": channels_first(max_pool),
    "avgPool": channels_first(avg_pool),
    "upsample": channels_first(upsample),
    "pad": channels_first(pad),
    "slice": slice_of,
}


def upsampled(mode, align_corners=False, **size):
    return {"kind": "upsample", "mode": mode, "alignCorners": align_corners} | size


def pool1d(kind, kernel, stride, padding, **options):
    return {"kind": kind, "kernel": kernel, "stride": stride, "padding": padding} | options


def image_layer_cases():
    for kind in ("adaptiveAvgPool", "adaptiveMaxPool"):
        yield "7x5 to 3x4", {"kind": kind, "size": [3, 4]}, [2, 7, 5, 3], {}
        yield "6x4 to 3x2", {"kind": kind, "size": [3, 2]}, [2, 6, 4, 5], {}
        yield "2x3 to 4x5", {"kind": kind, "size": [4, 5]}, [2, 2, 3, 4], {}
    yield "images", {"kind": "globalMaxPool"}, [3, 4, 5, 6], {}
    yield "3, stride 2, padding 1", pool1d("maxPool1d", 3, 2, 1), [2, 8, 5], {}
    yield "same", pool1d("maxPool1d", 3, 2, "same"), [2, 8, 3], {}
    included, excluded = ({"countIncludePad": flag} for flag in (True, False))
    yield "padding counted", pool1d("avgPool1d", 3, 2, 1, **included), [2, 8, 5], {}
    yield "left", pool1d("avgPool1d", 3, 1, {"left": 2, "right": 0}, **excluded), [2, 6, 4], {}
    twice = {"scale": [2, 2]}
    yield "nearest, twice", upsampled("nearest", **twice), [2, 3, 4, 5], {}
    yield "nearest, 3x1", upsampled("nearest", scale=[3, 1]), [2, 2, 3, 4], {}
    yield "nearest, 3x4 to 5x7", upsampled("nearest", size=[5, 7]), [2, 3, 4, 3], {}
    yield "bilinear, twice", upsampled("bilinear", **twice), [2, 3, 4, 5], {}
    yield "bilinear, 1x3", upsampled("bilinear", scale=[1, 3]), [2, 2, 3, 4], {}
    yield "bilinear, 3x4 to 5x7", upsampled("bilinear", size=[5, 7]), [2, 3, 4, 3], {}
    yield "bilinear, 5x6 to 3x1", upsampled("bilinear", size=[3, 1]), [2, 5, 6, 3], {}
    yield "bilinear, corners aligned, twice", upsampled("bilinear", True, **twice), [2, 3, 4, 5], {}
    yield "bilinear, corners aligned, to 5x1", upsampled("bilinear", True, size=[5, 1]), [2, 3, 4, 1], {}
    border = {"top": 1, "bottom": 2, "left": 0, "right": 3}
    yield "1, 2, 0 and 3", {"kind": "pad"} | border, [2, 3, 4, 5], {}
    image = {"kind": "slice", "rows": [1, 3], "columns": [0, 2], "channels": [2, 5]}
    yield "rows, columns and channels", image, [2, 4, 3, 6], {}
    yield "columns", {"kind": "slice", "columns": [1, 3]}, [2, 2, 4, 3], {}
    yield "[N, T, C]", {"kind": "slice", "rows": [2, 3], "channels": [1, 3]}, [2, 3, 4], {}
    yield "[N, F]", {"kind": "slice", "channels": [3, 8]}, [3, 9], {}
