"""The PyTorch peer for single layers: answers requests, one JSON object a line, until its
input ends. One thread.

{"op": "time", "shape": [N, C, H, W], "seconds": 1}: milliseconds of BatchNorm2d forward and
backward, in both of its memory formats. {"op": "variance", "file": "x.f32", "channels": C}: the
unbiased variances that BatchNorm1d observes in float32 rows of C. {"op": "convolve", ...}: a 3x3
convolution forward and backward, from files into files.
Run: echo '{"op": "time", "shape": [2, 64, 32, 32], "seconds": 1}' | /usr/bin/python3 torch_layers.py
"""

import array
import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

SEED = 1
WARMUP_STEPS = 3
MIN_STEPS = 5
FORMATS = {"default": torch.contiguous_format, "channelsLast": torch.channels_last}


def make_step(shape, memory_format):
    """Forward and backward as in training: new outputs and gradients in every step."""
    generator = torch.Generator().manual_seed(SEED)
    x, dy = (
        torch.randn(shape, generator=generator).contiguous(memory_format=memory_format)
        for _ in range(2)
    )
    x.requires_grad_()
    norm = nn.BatchNorm2d(shape[1])

    def step():
        x.grad = norm.weight.grad = norm.bias.grad = None
        norm(x).backward(dy)

    return step


def time_steps(step, seconds):
    for _ in range(WARMUP_STEPS):
        step()
    durations_ms = []
    end = time.perf_counter() + seconds
    while len(durations_ms) < MIN_STEPS or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        durations_ms.append(1e3 * (time.perf_counter() - start))
    return {"min": min(durations_ms), "p50": statistics.median(durations_ms)}


def read_floats(path, shape):
    with open(path, "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.float32).view(shape)


def write_floats(path, values):
    with open(path, "wb") as file:
        array.array("f", values.flatten().tolist()).tofile(file)


def convolve(request):
    """Files have [N, H, W, C] and, for weights, [KH, KW, IC, OC]."""
    shape = request["shape"]
    channels = [shape[-1], request["outChannels"]]
    x = read_floats(request["x"], shape).permute(0, 3, 1, 2).contiguous()
    dy = read_floats(request["dy"], [*shape[:3], channels[1]]).permute(0, 3, 1, 2).contiguous()
    weight = read_floats(request["weight"], [3, 3, *channels]).permute(3, 2, 0, 1).contiguous()
    y = F.conv2d(x.requires_grad_(), weight.requires_grad_(), padding=1)
    y.backward(dy)
    write_floats(request["y"], y.permute(0, 2, 3, 1))
    write_floats(request["dx"], x.grad.permute(0, 2, 3, 1))
    write_floats(request["dweight"], weight.grad.permute(2, 3, 1, 0))
    return {"written": True}


def answer(request):
    if request["op"] == "time":
        seconds = request["seconds"] / len(FORMATS)
        return {
            name: time_steps(make_step(request["shape"], memory_format), seconds)
            for name, memory_format in FORMATS.items()
        }
    if request["op"] == "convolve":
        return convolve(request)
    norm = nn.BatchNorm1d(request["channels"], momentum=1)
    norm(read_floats(request["file"], [-1, request["channels"]]))
    return {"variance": norm.running_var.tolist()}


def main():
    torch.set_num_threads(1)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
