"""Recurrent layers: PyTorch's own RNN, GRU and LSTM, and what their norms ought to do as a plain loop.

Weights are kept as [in, out], PyTorch's transposed; gates stand in its orders r, z, n and
i, f, g, o.
"""

import torch
from reference import normal
from torch.nn import functional as F

PARTS = ("Ih", "Hh")


GATES = {"rnn": 1, "gru": 3, "lstm": 4}
# What a kind has in its spec beside the others.
OF_KIND = {"rnn": {"nonlinearity": "tanh"}, "gru": {}, "lstm": {"forgetBias": None}}


def columns_of(spec):
    return GATES[spec["kind"]] * spec["hiddenSize"]


def normed_columns(spec):
    """What is normalized at each time step, by name, and how many values it has."""
    parts = {part: columns_of(spec) for part in PARTS}
    return parts | ({"Cell": spec["hiddenSize"]} if spec["kind"] == "lstm" else {})


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
    return spec | OF_KIND[kind] | options


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
            f"normWeight{part}": normal(generator, [count], scale=0.2, shift=0.7)
            for part, count in normed_columns(spec).items()
        }
        if spec["kind"] == "lstm" and spec["bias"]:
            made["normBiasCell"] = normal(generator, [spec["hiddenSize"]], scale=0.5)
    return made


def make_recurrent_buffers(spec, generator, steps):
    if spec["norm"] != "batch":
        return {}
    made = {}
    for part, count in normed_columns(spec).items():
        shape = [steps, count]
        made[f"runningMean{part}"] = normal(generator, shape)
        made[f"runningVar{part}"] = normal(generator, shape).abs() + 0.5
        made[f"numBatchesTracked{part}"] = torch.zeros([steps], dtype=torch.float64)
    return made


def run_torch(spec, x, parameters):
    """What torch.nn.RNN, GRU and LSTM call, with parameters in their layout as functions of ours."""
    name = f"rnn_{spec['nonlinearity']}" if spec["kind"] == "rnn" else spec["kind"]
    own = [parameters["weightIh"].T, parameters["weightHh"].T]
    if spec["bias"]:
        own += [parameters["biasIh"], parameters["biasHh"]]
    start = torch.zeros([1, x.shape[0], spec["hiddenSize"]], dtype=torch.float64)
    # One layer, no dropout, training, one direction, batch first.
    state = (start, start) if spec["kind"] == "lstm" else start
    return getattr(torch, name)(x, state, own, spec["bias"], 1, 0.0, True, False, True)[0]


def normalize(spec, product, part, t, parameters, state):
    """One part of the pre-activations of one time step, [N, columns]."""
    weight = parameters[f"normWeight{part}"]
    bias = parameters.get("normBiasCell" if part == "Cell" else f"bias{part}")
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
    cell = torch.zeros_like(hidden)
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
        elif spec["kind"] == "lstm":
            gate_i, gate_f, gate_g, gate_o = (i + h).chunk(4, 1)
            cell = torch.sigmoid(gate_f) * cell + torch.sigmoid(gate_i) * torch.tanh(gate_g)
            entering = normalize(spec, cell, "Cell", t, parameters, state)
            hidden = torch.sigmoid(gate_o) * torch.tanh(entering)
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
    yield "T=5", recurrent("lstm", 3, 4), [6, 5, 3], {}
    yield "sequence", recurrent("lstm", 5, 7, returnSequence=True), [4, 6, 5], {}
    yield "no bias", recurrent("lstm", 2, 3, bias=False), [5, 4, 2], {}
    yield "layer", recurrent("lstm", 3, 5, norm="layer", returnSequence=True), [4, 5, 3], {}
    yield "layer, no bias", recurrent("lstm", 3, 5, norm="layer", bias=False), [4, 3, 3], {}
    yield "batch", recurrent("lstm", 3, 4, returnSequence=True, **batch), [8, 5, 3], {}
    yield "batch, momentum 0.3", recurrent("lstm", 4, 6, momentum=0.3, **batch), [7, 3, 4], {}
    yield "batch, evaluation", recurrent("lstm", 3, 4, **batch), [3, 5, 3], evaluating
