"""PyTorch's gradient accumulation with ordinary batch norm, against the batch as a whole.

One step of one net on one batch: its gradients and running statistics from k micro-batches, each
normalized by its own statistics, and their distance from those of the whole batch,
|a - b| / |b| over all tensors of a kind. With group norm the same is 0 but for rounding, which
shows that nothing else differs. In float64. The table of docs/gradient-accumulation.md.

    python3 bench/peers/torch_accumulation.py
"""

import copy

import torch
from torch import nn
from torch.nn import functional
from torch_nets import CLASSES, make_resnet20

SAMPLES = 64
PARTS = (2, 4, 8)


def batch():
    """Noise about a pattern for each class."""
    patterns = torch.randn(CLASSES, 3, 32, 32)
    labels = torch.arange(SAMPLES) % CLASSES
    return patterns[labels] + torch.randn(SAMPLES, 3, 32, 32), labels


def step(net, images, labels, parts):
    """Gradients of the mean loss and running statistics after one step in so many parts."""
    net = copy.deepcopy(net)
    net.train()
    for part in range(parts):
        own = slice(part * SAMPLES // parts, (part + 1) * SAMPLES // parts)
        functional.cross_entropy(net(images[own]), labels[own], reduction="sum").div(
            SAMPLES
        ).backward()
    state = net.state_dict()
    return {
        "gradients": [parameter.grad for parameter in net.parameters()],
        "running means": [value for name, value in state.items() if "running_mean" in name],
        "running variances": [value for name, value in state.items() if "running_var" in name],
    }


def distance(found, exact):
    if not exact:
        return 0.0
    a, b = (torch.cat([value.flatten() for value in values]) for values in (found, exact))
    return ((a - b).norm() / b.norm()).item()


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, resnet20, {SAMPLES} images, one step")
    norms = (
        ("batch norm", nn.BatchNorm2d),
        ("batch norm that averages all batches", lambda c: nn.BatchNorm2d(c, momentum=None)),
        ("group norm", lambda c: nn.GroupNorm(8, c)),
    )
    for name, norm in norms:
        torch.manual_seed(1)
        net = make_resnet20(norm)
        images, labels = batch()
        exact = step(net, images, labels, 1)
        for parts in PARTS:
            found = step(net, images, labels, parts)
            shown = ", ".join(
                f"{what} {distance(found[what], values):.2g}" for what, values in exact.items()
            )
            print(f"{name}, {parts} micro-batches of {SAMPLES // parts}: {shown}")


if __name__ == "__main__":
    main()
