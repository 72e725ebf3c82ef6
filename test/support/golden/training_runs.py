"""The runs of training.json: a small net, twenty steps on two batches in turn, the second one
smaller, with each optimizer. Those that PyTorch does not have are written from their papers."""

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

TRAINING_EPOCHS = 10
TRAINING_SHAPE = [12, 8, 8, 1]
TRAINING_BATCH = 7
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


def lars(**options):
    spec = {"kind": "lars", "lr": 0.5, "momentum": 0.9, "trustCoefficient": 0.05, "eps": 1e-8}
    return spec | {"weightDecay": 1e-3, "decays": "weight", "adapts": "weight"} | options


def lamb(**options):
    spec = {"kind": "lamb", "lr": 0.02, "betas": [0.9, 0.999], "eps": 1e-6, "weightDecay": 0.01}
    return spec | {"decays": "weight", "adapts": "weight"} | options


def lion(**options):
    spec = {"kind": "lion", "lr": 0.01, "betas": [0.9, 0.99], "weightDecay": 0.0}
    return spec | {"decays": "all"} | options


# name, optimizer, clipping. `decays: "weight"` leaves norms and biases without weight decay,
# `adapts: "weight"` without a rate of their own.
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
    ("sgd, gradient norm clipped to 0.1", sgd(weightDecay=1e-4), {"clipNorm": 0.1}),
    ("sgd, gradients clipped to 0.01", sgd(weightDecay=1e-4), {"clipValue": 0.01}),
    ("rmsprop", rmsprop(), None),
    ("rmsprop with momentum and decay", rmsprop(lr=1e-3, momentum=0.9, weightDecay=0.01), None),
    ("rmsprop, centered", rmsprop(alpha=0.9, eps=1e-3, centered=True), None),
    ("lars", lars(), None),
    ("lars of all parameters", lars(decays="all", adapts="all", momentum=0.5), None),
    ("lars, gradient norm clipped to 0.1", lars(), {"clipNorm": 0.1}),
    ("lamb", lamb(), None),
    ("lamb of all parameters", lamb(decays="all", adapts="all", weightDecay=0.1), None),
    ("lion", lion(), None),
    ("lion with decay", lion(lr=1e-3, weightDecay=0.1), None),
]


class Published(torch.optim.Optimizer):
    """An optimizer from its paper: `step_of(parameter, gradient, state, group)` returns the change
    of a whole tensor."""

    def __init__(self, groups, step_of, **options):
        super().__init__(groups, options)
        self.step_of = step_of

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                state["step"] = state.get("step", 0) + 1
                parameter.sub_(self.step_of(parameter, parameter.grad, state, group))


def moving(state, name, beta, value):
    state[name] = beta * state.get(name, torch.zeros_like(value)) + (1 - beta) * value
    return state[name]


def lars_step(w, g, state, group):
    """You, Gitman and Ginsburg 2017, algorithm 1."""
    ratio = 1.0
    if group["adapts"]:
        denominator = g.norm() + group["weight_decay"] * w.norm() + group["eps"]
        ratio = group["trustCoefficient"] * w.norm() / denominator
    change = group["lr"] * ratio * (g + group["weight_decay"] * w)
    state["v"] = group["momentum"] * state.get("v", torch.zeros_like(w)) + change
    return state["v"]


def lamb_step(w, g, state, group):
    """You et al. 2020, algorithm 2, with phi(z) = z."""
    beta1, beta2 = group["betas"]
    m = moving(state, "m", beta1, g) / (1 - beta1 ** state["step"])
    v = moving(state, "v", beta2, g * g) / (1 - beta2 ** state["step"])
    direction = m / (v.sqrt() + group["eps"]) + group["weight_decay"] * w
    ratio = w.norm() / direction.norm() if group["adapts"] and w.norm() > 0 else 1.0
    return group["lr"] * ratio * direction


def lion_step(w, g, state, group):
    """Chen et al. 2023, program 1."""
    beta1, beta2 = group["betas"]
    direction = (beta1 * state.get("m", torch.zeros_like(g)) + (1 - beta1) * g).sign()
    moving(state, "m", beta2, g)
    return group["lr"] * (direction + group["weight_decay"] * w)


PUBLISHED = {"lars": lars_step, "lamb": lamb_step, "lion": lion_step}


def make_optimizer(spec, parameters):
    """`parameters` by path, `<layer index>.<name>`."""

    def is_weight(path):
        layer, name = path.split(".")
        return name == "weight" and TRAINING_LAYERS[int(layer)]["kind"] != "batchNorm"

    def is_decayed(path):
        return spec["decays"] == "all" or is_weight(path)

    if spec["kind"] in PUBLISHED:
        return Published(
            [
                {
                    "params": [parameter],
                    "weight_decay": spec["weightDecay"] if is_decayed(path) else 0.0,
                    "adapts": spec.get("adapts") == "all" or is_weight(path),
                }
                for path, parameter in parameters.items()
            ],
            PUBLISHED[spec["kind"]],
            **{name: value for name, value in spec.items() if name not in ("kind", "adapts")},
        )
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


def train(start, optimizer_spec, clipping, dtype):
    """Losses of the epochs, gradient norms of the steps before clipping, and the final state."""
    parameters = {
        path: value.to(dtype, copy=True).requires_grad_()
        for path, value in start["parameters"].items()
    }
    buffers = {path: value.to(dtype, copy=True) for path, value in start["buffers"].items()}
    optimizer = make_optimizer(optimizer_spec, parameters)
    losses, norms = [], []
    for _ in range(TRAINING_EPOCHS):
        total = 0.0
        batches = zip(start["input"].split(TRAINING_BATCH), start["labels"].split(TRAINING_BATCH))
        for inputs, labels in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(forward(inputs.to(dtype), parameters, buffers), labels)
            loss.backward()
            norms.append(nn.utils.clip_grad_norm_(parameters.values(), math.inf).item())
            if clipping["clipValue"] is not None:
                nn.utils.clip_grad_value_(parameters.values(), clipping["clipValue"])
            if clipping["clipNorm"] is not None:
                nn.utils.clip_grad_norm_(parameters.values(), clipping["clipNorm"])
            optimizer.step()
            total += loss.item() * len(labels)
        losses.append(total / len(start["labels"]))
    return {"losses": losses, "norms": norms, "parameters": parameters, "buffers": buffers}


def largest_difference(these, those):
    return max((these[name].double() - those[name].double()).abs().max().item() for name in these)


def make_run(start, name, optimizer_spec, given_clipping):
    """A run in float64, and how far PyTorch itself gets from it in float32."""
    clipping = {"clipNorm": None, "clipValue": None} | (given_clipping or {})
    exact = train(start, optimizer_spec, clipping, torch.float64)
    single = train(start, optimizer_spec, clipping, torch.float32)
    pairs = zip(exact["losses"], single["losses"])
    float32_differences = {
        "losses": max(abs(a - b) for a, b in pairs),
        "parameters": largest_difference(exact["parameters"], single["parameters"]),
        "buffers": largest_difference(exact["buffers"], single["buffers"]),
    }
    return {
        "name": name,
        "optimizer": optimizer_spec,
        **clipping,
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
        "batch": TRAINING_BATCH,
        "initialParameters": all_to_json(start["parameters"]),
        "initialBuffers": all_to_json(start["buffers"]),
    }
    return shared, (make_run(start, *run) for run in TRAINING_RUNS)
