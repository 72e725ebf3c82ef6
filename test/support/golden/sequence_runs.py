"""The runs of sequences.json: a recurrent net, 20 steps over batches whose last one is smaller."""

import torch
from reference import all_to_json, generator_of, linear, make_parameters, normal, run_layer, to_json
from recurrent import make_recurrent_parameters, normed_columns, recurrent, run_recurrent
from torch.nn import functional as F

SAMPLES = 22
BATCH = 6
EPOCHS = 5
INPUT = [4, 3]
HIDDEN = 5
CLASSES = 3
OPTIMIZER = {"kind": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": False, "weightDecay": 0.0}

RUNS = [
    ("lstm", recurrent("lstm", INPUT[1], HIDDEN)),
    ("lstm, layer norm", recurrent("lstm", INPUT[1], HIDDEN, norm="layer", eps=1e-2)),
    ("lstm, batch norm", recurrent("lstm", INPUT[1], HIDDEN, norm="batch", sync="all", eps=1e-2)),
]


def fresh_buffers(spec):
    if spec["norm"] != "batch":
        return {}
    made = {}
    for part, count in normed_columns(spec).items():
        made[f"runningMean{part}"] = torch.zeros([INPUT[0], count], dtype=torch.float64)
        made[f"runningVar{part}"] = torch.ones([INPUT[0], count], dtype=torch.float64)
        made[f"numBatchesTracked{part}"] = torch.zeros([INPUT[0]], dtype=torch.float64)
    return made


def named(index, tensors):
    return {f"{index}.{name}": value for name, value in tensors.items()}


def make_run(name, spec, inputs, labels):
    generator = generator_of(name)
    last = linear(HIDDEN, CLASSES)
    own = make_recurrent_parameters(spec, generator)
    of_last = make_parameters(last, generator)
    parameters = named(0, own) | named(1, of_last)
    start = all_to_json(parameters)
    buffers = fresh_buffers(spec)
    for leaf in parameters.values():
        leaf.requires_grad_()
    optimizer = torch.optim.SGD(
        parameters.values(), lr=OPTIMIZER["lr"], momentum=OPTIMIZER["momentum"]
    )
    losses = []
    for _ in range(EPOCHS):
        total = 0.0
        for x, y in zip(inputs.split(BATCH), labels.split(BATCH)):
            optimizer.zero_grad()
            hidden = run_recurrent(spec, x, own, {"training": True, "buffers": buffers})
            loss = F.cross_entropy(run_layer(last, hidden, of_last, {"training": True}), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        losses.append(total / SAMPLES)
    return {
        "name": name,
        "layers": [spec, last],
        "initialParameters": start,
        "losses": losses,
        "parameters": all_to_json(parameters),
        "buffers": all_to_json(named(0, buffers)),
    }


def make_sequences():
    """What all runs share, by name, and the runs one after another."""
    inputs = normal(generator_of("sequences"), [SAMPLES, *INPUT])
    labels = torch.arange(SAMPLES) % CLASSES
    shared = {
        "input": to_json(inputs),
        "labels": labels.tolist(),
        "batch": BATCH,
        "optimizer": OPTIMIZER,
    }
    return shared, (make_run(*run, inputs, labels) for run in RUNS)
