"""The runs of fineTuning.json: twenty steps of the net of training.json, in batches of which the last
one of each epoch is smaller, with frozen parameters, parameter groups and switched batch norms."""

import torch
from torch.nn import functional as F

from reference import all_to_json, parameter_shapes, run_layer, to_channels_first, to_channels_last
from reference import to_number
from training_runs import TRAINING_LAYERS, make_start

STEPS = 20
BATCH = 5
SGD = {"kind": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": False, "weightDecay": 0.01}
ADAMW = {"kind": "adamw", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0.01}

# Paths are those of the layers' parameters, `<layer index>.<name>`. A group has a factor of the
# learning rate and a weight decay; null leaves the optimizer's. `norms` are the switches of batch
# norms by layer index: statistics, updateStatistics.
RUNS = [
    {"name": "a frozen first layer", "frozen": ["0.weight"], "groups": [], "norms": {}},
    {
        "name": "a frozen layer in the middle",
        "frozen": ["3.weight", "4.bias", "7.weight"],
        "groups": [],
        "norms": {},
    },
    {
        "name": "only the head, by running statistics that stay",
        "frozen": ["0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias"],
        "groups": [],
        "norms": {"1": ["running", False], "4": ["running", False]},
    },
    {
        "name": "weights and biases of norms alone, by running statistics that move",
        "frozen": ["0.weight", "3.weight", "7.weight", "7.bias"],
        "groups": [],
        "norms": {"1": ["running", True], "4": ["running", True]},
    },
    {
        "name": "batch statistics that move no running ones",
        "frozen": [],
        "groups": [],
        "norms": {"1": ["batch", False], "4": ["running", False]},
    },
    {
        "name": "parameter groups",
        "frozen": ["1.bias"],
        "groups": [
            {"paths": ["0.weight", "1.weight", "1.bias"], "lrScale": 0.1, "weightDecay": None},
            {"paths": ["1.bias", "4.bias", "7.bias"], "lrScale": None, "weightDecay": 0.0},
            {"paths": ["7.weight"], "lrScale": 2.0, "weightDecay": 0.1},
        ],
        "norms": {},
    },
]


def make_optimizer(spec, trained, groups):
    made = []
    for path, parameter in trained.items():
        group = {"params": [parameter], "lr": spec["lr"], "weight_decay": spec["weightDecay"]}
        for other in groups:
            if path not in other["paths"]:
                continue
            if other["lrScale"] is not None:
                group["lr"] = spec["lr"] * other["lrScale"]
            if other["weightDecay"] is not None:
                group["weight_decay"] = other["weightDecay"]
        made.append(group)
    if spec["kind"] == "sgd":
        return torch.optim.SGD(made, lr=spec["lr"], momentum=spec["momentum"])
    return torch.optim.AdamW(made, lr=spec["lr"], betas=tuple(spec["betas"]), eps=spec["eps"])


def run_switched(spec, x, own, buffers, switches):
    """The batch norm by the statistics that are asked for; running ones move after it."""
    statistics, is_moving = switches
    before = {name: buffer.clone() for name, buffer in buffers.items()}
    x = to_channels_first(x)
    affine = (own["weight"], own["bias"])
    running = (before["runningMean"], before["runningVar"])
    if is_moving:
        moving = (buffers["runningMean"], buffers["runningVar"])
        F.batch_norm(x.detach(), *moving, training=True, momentum=spec["momentum"])
    if statistics == "running":
        y = F.batch_norm(x, *running, *affine, training=False, eps=spec["eps"])
    else:
        y = F.batch_norm(x, None, None, *affine, training=True, eps=spec["eps"])
    return to_channels_last(y)


def forward(x, parameters, buffers, norms):
    for index, spec in enumerate(TRAINING_LAYERS):
        own = {name: parameters[f"{index}.{name}"] for name in parameter_shapes(spec)}
        tracked = ("runningMean", "runningVar") if spec["kind"] == "batchNorm" else ()
        own_buffers = {name: buffers[f"{index}.{name}"] for name in tracked}
        if str(index) in norms:
            x = run_switched(spec, x, own, own_buffers, norms[str(index)])
        else:
            x = run_layer(spec, x, own, {"training": True, "buffers": own_buffers})
    return x


def train(start, run, optimizer_spec):
    """The mean losses of the steps, and the final state, in float64."""
    parameters = {
        path: value.clone().requires_grad_(path not in run["frozen"])
        for path, value in start["parameters"].items()
    }
    buffers = {path: value.clone() for path, value in start["buffers"].items()}
    trained = {path: value for path, value in parameters.items() if value.requires_grad}
    optimizer = make_optimizer(optimizer_spec, trained, run["groups"])
    batches = list(torch.arange(len(start["labels"])).split(BATCH))
    losses = []
    for step in range(STEPS):
        samples = batches[step % len(batches)]
        optimizer.zero_grad()
        logits = forward(start["input"][samples], parameters, buffers, run["norms"])
        loss = F.cross_entropy(logits, start["labels"][samples])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, parameters, buffers


def make_run(start, run, optimizer_spec):
    losses, parameters, buffers = train(start, run, optimizer_spec)
    return {
        **run,
        "name": f"{run['name']}, {optimizer_spec['kind']}",
        "optimizer": optimizer_spec | {"decays": "all"},
        "losses": [to_number(value) for value in losses],
        "parameters": all_to_json(parameters),
        "buffers": all_to_json(buffers),
    }


def make_fine_tuning():
    """What all runs share, by name, and the runs one after another."""
    start = make_start()
    start["buffers"] = {
        # Far from what the batches have, as after another training.
        path: value + (0.3 if path.endswith("Mean") else 0.7)
        for path, value in start["buffers"].items()
    }
    shared = {"steps": STEPS, "globalBatch": BATCH, "initialBuffers": all_to_json(start["buffers"])}
    runs = [(run, SGD) for run in RUNS] + [(RUNS[-1], ADAMW)]
    return shared, (make_run(start, *run) for run in runs)
