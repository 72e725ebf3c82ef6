"""Recurrent layers: PyTorch's own RNN and GRU, and what their norms ought to do as a plain loop.

Weights are kept as [in, out], PyTorch's transposed; gates stand in its order r, z, n.
"""

import torch
from reference import normal
from torch.nn import functional as F

PARTS = ("Ih", "Hh")


def columns_of(spec):
    return (3 if spec["kind"] == "gru" else 1) * spec["hiddenSize"]


def recurrent(kind, input_size, hidden_size, **options):
    spec = {
        "kind": kind,
        "inputSize": input_size,
        "hiddenSize": hidden_size,
        "bias": True,
        "returnSequence": False,
        "norm": "none",
        "eps": 1e-5,
        "momentum": 0.1,
        "sync": "local",
    }
    return spec | ({"nonlinearity": "tanh"} if kind == "rnn" else {}) | options


def make_recurrent_parameters(spec, generator):
    columns = columns_of(spec)
    scale = spec["hiddenSize"] ** -0.5
    made = {
        "weightIh": normal(generator, [spec["inputSize"], columns], scale=scale),
        "weightHh": normal(generator, [spec["hiddenSize"], columns], scale=scale),
    }
    if spec["bias"]:
        made |= {f"bias{part}": normal(generator, [columns], scale=0.5) for part in PARTS}
    if spec["norm"] != "none":
        made |= {
            f"normWeight{part}": normal(generator, [columns], scale=0.2, shift=0.7)
            for part in PARTS
        }
    return made


def make_recurrent_buffers(spec, generator, steps):
    if spec["norm"] != "batch":
        return {}
    shape = [steps, columns_of(spec)]
    made = {}
    for part in PARTS:
        made[f"runningMean{part}"] = normal(generator, shape)
        made[f"runningVar{part}"] = normal(generator, shape).abs() + 0.5
        made[f"numBatchesTracked{part}"] = torch.zeros([steps], dtype=torch.float64)
    return made


def run_torch(spec, x, parameters):
    """What torch.nn.RNN and GRU call, with the parameters in their layout as functions of ours."""
    run = torch.gru if spec["kind"] == "gru" else getattr(torch, f"rnn_{spec['nonlinearity']}")
    own = [parameters["weightIh"].T, parameters["weightHh"].T]
    if spec["bias"]:
        own += [parameters["biasIh"], parameters["biasHh"]]
    start = torch.zeros([1, x.shape[0], spec["hiddenSize"]], dtype=torch.float64)
    # One layer, no dropout, training, one direction, batch first.
    sequence, _ = run(x, start, own, spec["bias"], 1, 0.0, True, False, True)
    return sequence


def normalize(spec, product, part, t, parameters, state):
    """One part of the pre-activations of one time step, [N, columns]."""
    weight = parameters[f"normWeight{part}"]
    bias = parameters.get(f"bias{part}")
    if spec["norm"] == "layer":
        return F.layer_norm(product, product.shape[1:], weight, bias, spec["eps"])
    buffers = state["buffers"]
    if state["training"]:
        buffers[f"numBatchesTracked{part}"][t] += 1
    return F.batch_norm(
        product,
        buffers[f"runningMean{part}"][t],
        buffers[f"runningVar{part}"][t],
        weight,
        bias,
        state["training"],
        spec["momentum"],
        spec["eps"],
    )


def run_loop(spec, x, parameters, state):
    """The loop over time steps, for what PyTorch's modules do not have."""
    hidden = torch.zeros([x.shape[0], spec["hiddenSize"]], dtype=torch.float64)
    states = []
    for t in range(x.shape[1]):
        products = (x[:, t] @ parameters["weightIh"], hidden @ parameters["weightHh"])
        i, h = (
            normalize(spec, product, part, t, parameters, state)
            for product, part in zip(products, PARTS)
        )
        if spec["kind"] == "rnn":
            act = torch.tanh if spec["nonlinearity"] == "tanh" else torch.relu
            hidden = act(i + h)
        else:
            ir, iz, new = i.chunk(3, 1)
            hr, hz, hn = h.chunk(3, 1)
            r, z = torch.sigmoid(ir + hr), torch.sigmoid(iz + hz)
            hidden = (1 - z) * torch.tanh(new + r * hn) + z * hidden
        states.append(hidden)
    return torch.stack(states, 1)


def run_recurrent(spec, x, parameters, state):
    if spec["norm"] == "none":
        sequence = run_torch(spec, x, parameters)
    else:
        sequence = run_loop(spec, x, parameters, state)
    return sequence if spec["returnSequence"] else sequence[:, -1]


def recurrent_cases():
    yield "T=5", recurrent("rnn", 3, 4), [6, 5, 3], {}
    yield "relu, sequence", recurrent("rnn", 4, 5, nonlinearity="relu", returnSequence=True), [
        3,
        4,
        4,
    ], {}
    yield "no bias, T=1", recurrent("rnn", 6, 9, bias=False), [5, 1, 6], {}
    yield "layer", recurrent("rnn", 3, 7, norm="layer"), [4, 5, 3], {}
    batch = {"norm": "batch"}
    yield "batch", recurrent("rnn", 3, 4, returnSequence=True, **batch), [8, 5, 3], {}
    evaluating = {"training": False}
    yield "batch, evaluation", recurrent("rnn", 3, 4, **batch), [3, 5, 3], evaluating
    yield "T=5", recurrent("gru", 3, 4), [6, 5, 3], {}
    yield "sequence", recurrent("gru", 5, 7, returnSequence=True), [4, 6, 5], {}
    yield "no bias", recurrent("gru", 2, 3, bias=False), [5, 4, 2], {}
    yield "layer", recurrent("gru", 3, 5, norm="layer", returnSequence=True), [4, 5, 3], {}
    yield "layer, no bias, eps 1e-3", recurrent(
        "gru", 3, 5, norm="layer", bias=False, eps=1e-3
    ), [4, 5, 3], {}
    yield "batch", recurrent("gru", 3, 4, **batch), [8, 5, 3], {}
    yield "batch, momentum 0.3", recurrent("gru", 4, 6, momentum=0.3, **batch), [7, 3, 4], {}
    yield "batch, evaluation", recurrent("gru", 3, 4, **batch), [3, 5, 3], evaluating
