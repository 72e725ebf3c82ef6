"""The runs of doubleBackward.json: gradients of the gradients of batch normalization, by PyTorch's
double backward of F.batch_norm."""

import torch
from torch.nn import functional as F

from reference import all_to_json, generator_of, normal

EPS = 1e-5

# name, rows, channels, scale and shift of x, which gradients of backward the loss contains
RUNS = [
    ("all three", 12, 3, 1.0, 0.5, ("dx", "weightGrad", "biasGrad")),
    ("dx alone, as in a gradient penalty", 9, 2, 2.0, -1.0, ("dx",)),
    ("without dx", 7, 2, 1.0, 0.0, ("weightGrad", "biasGrad")),
    ("small variance, where eps counts", 8, 2, 0.003, 1.0, ("dx", "weightGrad", "biasGrad")),
]


def make_run(name, rows, channels, scale, shift, parts):
    generator = generator_of(f"double backward, {name}")
    x = normal(generator, (rows, channels), scale, shift).requires_grad_()
    dy = normal(generator, (rows, channels)).requires_grad_()
    weight = normal(generator, (channels,), 0.5, 1.0).requires_grad_()
    bias = normal(generator, (channels,)).requires_grad_()
    y = F.batch_norm(x, None, None, weight, bias, training=True, eps=EPS)
    found = torch.autograd.grad(y, (x, weight, bias), dy, create_graph=True)
    gradients = dict(zip(("dx", "weightGrad", "biasGrad"), found))
    given = {part: normal(generator, gradients[part].shape) for part in parts}
    loss = sum((gradients[part] * values).sum() for part, values in given.items())
    # Backward without dx does not depend on the weight.
    twice = torch.autograd.grad(loss, (dy, x, weight), allow_unused=True)
    names = ("dyGrad", "xGrad", "weightGrad")
    expected = {
        key: torch.zeros_like(like) if value is None else value
        for key, value, like in zip(names, twice, (dy, x, weight))
    }
    return {
        "name": name,
        "inputs": all_to_json({"x": x, "dy": dy, "weight": weight, "bias": bias}),
        "given": all_to_json(given),
        "expected": all_to_json(expected),
    }


def make_double_backward():
    return {"eps": EPS}, [make_run(*run) for run in RUNS]
