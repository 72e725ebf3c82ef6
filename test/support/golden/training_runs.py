"""The runs of training.json: a small net, ten steps on one batch, with each optimizer."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from reference import (
    all_to_json,
    batch_norm,
    conv2d,
    generator_of,
    linear,
    make_parameters,
    normal,
    parameter_shapes,
    run_layer,
    to_json,
    to_number,
)

TRAINING_STEPS = 10
TRAINING_SHAPE = [12, 8, 8, 1]
CLASSES = 5
TRAINING_LAYERS = [
    conv2d(1, 4, [3, 3], padding=[1, 1]),
    batch_norm(4),
    {"kind": "relu"},
    conv2d(4, 8, [3, 3], stride=[2, 2], padding=[1, 1]),
    batch_norm(8),
    {"kind": "relu"},
    {"kind": "globalAvgPool"},
    linear(8, CLASSES),
]


def sgd(**options):
    spec = {"kind": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": False, "weightDecay": 0.0}
    return spec | {"decays": "all"} | options


def adam(kind, **options):
    spec = {"kind": kind, "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0.0}
    return spec | {"decays": "all"} | options


def rmsprop(**options):
    spec = {"kind": "rmsprop", "lr": 0.01, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0}
    return spec | {"centered": False, "weightDecay": 0.0, "decays": "all"} | options


# name, optimizer, clipNorm. `decays: "weight"` leaves norms and biases without weight decay.
TRAINING_RUNS = [
    ("sgd with momentum and decay", sgd(weightDecay=1e-4), None),
    ("sgd, large decay of everything", sgd(weightDecay=0.05), None),
    ("sgd, large decay of weights only", sgd(weightDecay=0.05, decays="weight"), None),
    ("sgd without momentum", sgd(momentum=0.0), None),
    ("sgd, nesterov", sgd(nesterov=True, weightDecay=1e-4), None),
    ("adam", adam("adam"), None),
    ("adam, decay as L2", adam("adam", weightDecay=0.01), None),
    ("adamw", adam("adamw", weightDecay=0.01), None),
    ("adamw, decay of weights only", adam("adamw", weightDecay=0.01, decays="weight"), None),
    ("sgd, gradient norm clipped to 0.1", sgd(weightDecay=1e-4), 0.1),
    ("rmsprop", rmsprop(), None),
    ("rmsprop with momentum and decay", rmsprop(lr=1e-3, momentum=0.9, weightDecay=0.01), None),
    ("rmsprop, centered", rmsprop(alpha=0.9, eps=1e-3, centered=True), None),
]


def make_optimizer(spec, parameters):
    """`parameters` by path, `<layer index>.<name>`."""

    def is_decayed(path):
        layer, name = path.split(".")
        is_norm = TRAINING_LAYERS[int(layer)]["kind"] == "batchNorm"
        return spec["decays"] == "all" or (name == "weight" and not is_norm)

    groups = [
        {"params": [p for path, p in parameters.items() if is_decayed(path)]},
        {"params": [p for path, p in parameters.items() if not is_decayed(path)]},
    ]
    groups[0]["weight_decay"] = spec["weightDecay"]
    groups[1]["weight_decay"] = 0.0
    used = [group for group in groups if group["params"]]
    if spec["kind"] == "sgd":
        options = {name: spec[name] for name in ("lr", "momentum", "nesterov")}
        return torch.optim.SGD(used, **options)
    if spec["kind"] == "rmsprop":
        options = {name: spec[name] for name in ("lr", "alpha", "eps", "momentum", "centered")}
        return torch.optim.RMSprop(used, **options)
    kind = torch.optim.Adam if spec["kind"] == "adam" else torch.optim.AdamW
    return kind(used, lr=spec["lr"], betas=tuple(spec["betas"]), eps=spec["eps"])


def forward(x, parameters, buffers):
    for index, spec in enumerate(TRAINING_LAYERS):
        own = {name: parameters[f"{index}.{name}"] for name in parameter_shapes(spec)}
        tracked = ("runningMean", "runningVar") if spec["kind"] == "batchNorm" else ()
        own_buffers = {name: buffers[f"{index}.{name}"] for name in tracked}
        x = run_layer(spec, x, own, {"training": True, "buffers": own_buffers})
    return x


def train(start, optimizer_spec, clip_norm, dtype):
    """Ten steps on one batch: losses, gradient norms before clipping, and the final state."""
    parameters = {
        path: value.to(dtype, copy=True).requires_grad_()
        for path, value in start["parameters"].items()
    }
    buffers = {path: value.to(dtype, copy=True) for path, value in start["buffers"].items()}
    optimizer = make_optimizer(optimizer_spec, parameters)
    losses, norms = [], []
    for _ in range(TRAINING_STEPS):
        optimizer.zero_grad()
        logits = forward(start["input"].to(dtype), parameters, buffers)
        loss = F.cross_entropy(logits, start["labels"])
        loss.backward()
        limit = math.inf if clip_norm is None else clip_norm
        norms.append(nn.utils.clip_grad_norm_(parameters.values(), limit).item())
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "norms": norms, "parameters": parameters, "buffers": buffers}


def largest_difference(these, those):
    return max((these[name].double() - those[name].double()).abs().max().item() for name in these)


def make_run(start, name, optimizer_spec, clip_norm):
    """A run in float64, and how far PyTorch itself gets from it in float32."""
    exact = train(start, optimizer_spec, clip_norm, torch.float64)
    single = train(start, optimizer_spec, clip_norm, torch.float32)
    pairs = zip(exact["losses"], single["losses"])
    float32_differences = {
        "losses": max(abs(a - b) for a, b in pairs),
        "parameters": largest_difference(exact["parameters"], single["parameters"]),
        "buffers": largest_difference(exact["buffers"], single["buffers"]),
    }
    return {
        "name": name,
        "optimizer": optimizer_spec,
        "clipNorm": clip_norm,
        "losses": [to_number(value) for value in exact["losses"]],
        "gradientNorms": [to_number(value) for value in exact["norms"]],
        "parameters": all_to_json(exact["parameters"]),
        "buffers": all_to_json(exact["buffers"]),
        "float32Differences": {
            what: float(f"{value:.2g}") for what, value in float32_differences.items()
        },
    }


def make_start():
    generator = generator_of("training")
    start = {"parameters": {}, "buffers": {}}
    for index, spec in enumerate(TRAINING_LAYERS):
        for name, value in make_parameters(spec, generator).items():
            start["parameters"][f"{index}.{name}"] = value
        if spec["kind"] == "batchNorm":
            channels = [spec["channels"]]
            start["buffers"][f"{index}.runningMean"] = torch.zeros(channels, dtype=torch.float64)
            start["buffers"][f"{index}.runningVar"] = torch.ones(channels, dtype=torch.float64)
    start["input"] = normal(generator, TRAINING_SHAPE)
    start["labels"] = torch.arange(TRAINING_SHAPE[0]) % CLASSES
    return start


def make_training():
    """What all runs share, by name, and the runs one after another."""
    start = make_start()
    shared = {
        "layers": TRAINING_LAYERS,
        "input": to_json(start["input"]),
        "labels": start["labels"].tolist(),
        "initialParameters": all_to_json(start["parameters"]),
        "initialBuffers": all_to_json(start["buffers"]),
    }
    return shared, (make_run(start, *run) for run in TRAINING_RUNS)
