"""The runs of losses.json: a small net with each loss, twenty steps over uneven batches. Of masks it
takes the values of each pixel: linear layers are 1x1 convolutions."""

import torch
from torch.nn import functional as F

from reference import generator_of, normal, to_json, to_number

STEPS = 20
SAMPLES = 14
BATCH = 6
FEATURES, HIDDEN, OUTPUTS = 5, 6, 4
MASK = [2, 3]
LR, MOMENTUM = 0.05, 0.9


def make_data():
    generator = generator_of("losses")
    inputs = normal(generator, [SAMPLES, FEATURES])
    labels = torch.arange(SAMPLES) * 3 % OUTPUTS
    ignored = labels.clone()
    ignored[[1, 4, 7]] = -100
    raw = normal(generator, [SAMPLES, OUTPUTS])
    # Shares in 64ths, so that float32 holds them and their sum.
    counts = torch.floor(16 * torch.sigmoid(raw))
    counts[:, 0] = 64 - counts[:, 1:].sum(1)
    masks = torch.arange(SAMPLES * 6).reshape([SAMPLES, *MASK]) * 5 % 7 % OUTPUTS
    ignored_masks = masks.clone()
    ignored_masks[torch.arange(SAMPLES * 6).reshape(masks.shape) % 11 % 4 == 1] = -100
    # A whole one.
    ignored_masks[2] = -100
    return {
        "inputs": inputs,
        "labels": labels,
        "ignoredLabels": ignored,
        "numbers": raw,
        "shares": (counts / 64).to(torch.float32),
        "binary": (raw > 0).to(torch.float32),
        "sampleWeights": (torch.arange(SAMPLES) % 5 / 4).to(torch.float32),
        "hidden": 0.5 * normal(generator, [FEATURES, HIDDEN]),
        "output": 0.5 * normal(generator, [HIDDEN, OUTPUTS]),
        "pixels": normal(generator, [SAMPLES, *MASK, FEATURES]),
        "masks": masks,
        "ignoredMasks": ignored_masks,
    }


CLASS_WEIGHTS = [0.5, 2.0, 1.0, 0.25]


def cross_entropy(**options):
    weights = options.get("classWeights")
    kept = {
        "weight": None if weights is None else torch.tensor(weights, dtype=torch.float64),
        "label_smoothing": options.get("labelSmoothing", 0.0),
        "ignore_index": options.get("ignoreIndex", -100),
    }
    spec = {"kind": "crossEntropy", "labelSmoothing": 0.0} | options
    return spec, lambda x, t: F.cross_entropy(x.movedim(-1, 1), t, **kept)


def binary(**options):
    weight = options.get("posWeight")
    kept = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    spec = {"kind": "binaryCrossEntropy"} | options
    return spec, lambda x, t: F.binary_cross_entropy_with_logits(x, t, pos_weight=kept)


def weighted(spec, loss_of, sample_weights):
    """The mean over samples by their weights, from each sample's own loss."""

    def mean(x, t, indices):
        w = sample_weights[indices].to(x.dtype)
        own = torch.stack([loss_of(x[i : i + 1], t[i : i + 1]) for i in range(len(x))])
        return (w * own).sum() / w.sum()

    return spec, mean


def make_cases(data):
    huber = {"kind": "huber", "delta": 0.5}
    plain = [
        ("crossEntropy", cross_entropy(), "labels"),
        ("class weights", cross_entropy(classWeights=CLASS_WEIGHTS), "labels"),
        (
            "class weights, smoothed",
            cross_entropy(classWeights=CLASS_WEIGHTS, labelSmoothing=0.1),
            "labels",
        ),
        ("labels to ignore", cross_entropy(ignoreIndex=-100), "ignoredLabels"),
        ("labels to ignore, smoothed", cross_entropy(ignoreIndex=1, labelSmoothing=0.2), "labels"),
        (
            "labels to ignore, class weights",
            cross_entropy(ignoreIndex=-100, classWeights=CLASS_WEIGHTS),
            "ignoredLabels",
        ),
        ("shares", cross_entropy(), "shares"),
        (
            "shares, class weights, smoothed",
            cross_entropy(classWeights=CLASS_WEIGHTS, labelSmoothing=0.1),
            "shares",
        ),
        ("binary", binary(), "binary"),
        ("binary, weighted positives", binary(posWeight=CLASS_WEIGHTS), "shares"),
        ("masks", cross_entropy(), "masks"),
        (
            "masks, class weights, smoothed",
            cross_entropy(classWeights=CLASS_WEIGHTS, labelSmoothing=0.1),
            "masks",
        ),
        ("masks, labels to ignore", cross_entropy(ignoreIndex=-100), "ignoredMasks"),
        (
            "masks, a class to ignore, class weights, smoothed",
            cross_entropy(ignoreIndex=2, classWeights=CLASS_WEIGHTS, labelSmoothing=0.2),
            "masks",
        ),
        ("squared", ({"kind": "meanSquaredError"}, F.mse_loss), "numbers"),
        ("l1", ({"kind": "l1"}, F.l1_loss), "numbers"),
        ("huber", (huber, lambda x, t: F.huber_loss(x, t, delta=0.5)), "numbers"),
    ]
    for name, (spec, loss_of), targets in plain:
        yield name, spec, targets, False, lambda x, t, _indices, loss_of=loss_of: loss_of(x, t)
    for name, (spec, loss_of), targets in plain:
        if name in ("crossEntropy", "shares", "binary, weighted positives", "huber"):
            yield (f"{name}, sample weights", spec, targets, True) + (
                weighted(spec, loss_of, data["sampleWeights"])[1],
            )


def train(data, targets, loss_of):
    """Steps over batches in order, the last one of an epoch smaller; the final parameters."""
    hidden = data["hidden"].to(torch.float64, copy=True).requires_grad_()
    output = data["output"].to(torch.float64, copy=True).requires_grad_()
    optimizer = torch.optim.SGD([hidden, output], lr=LR, momentum=MOMENTUM)
    given = data[targets]
    given = given if given.dtype == torch.int64 else given.double()
    inputs = data["pixels" if given.ndim == 3 else "inputs"].double()
    losses, first = [], 0
    for _ in range(STEPS):
        indices = torch.arange(first, min(first + BATCH, SAMPLES))
        first = 0 if first + BATCH >= SAMPLES else first + BATCH
        optimizer.zero_grad()
        x = torch.tanh(inputs[indices] @ hidden) @ output
        loss = loss_of(x, given[indices], indices)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, hidden, output


def make_loss_runs():
    """What all runs share, by name, and the runs one after another."""
    data = make_data()
    shared = {
        "lr": LR,
        "momentum": MOMENTUM,
        "steps": STEPS,
        "batch": BATCH,
        **{
            name: value.flatten().tolist() if value.dtype == torch.int64 else to_json(value)
            for name, value in data.items()
        },
    }

    def run(name, spec, targets, has_weights, loss_of):
        losses, hidden, output = train(data, targets, loss_of)
        return {
            "name": name,
            "spec": spec,
            "targets": targets,
            "hasWeights": has_weights,
            "losses": [to_number(value) for value in losses],
            "hidden": to_json(hidden.detach()),
            "output": to_json(output.detach()),
        }

    return shared, (run(*case) for case in make_cases(data))
