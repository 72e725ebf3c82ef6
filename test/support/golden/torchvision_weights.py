"""Writes weights of torchvision and what they compute: `torchvision_weights.py MODEL FOLDER STEPS`.

`weights.safetensors` has the state dict with random weights and statistics, as the library of that name
writes them; `run.safetensors` has images [N, H, W, C] and labels, and the outputs in evaluation, computed
in float64. With STEPS > 0 also the losses of so many steps of SGD and, in `trained.safetensors`, the
state dict after them; `rounded.safetensors` has that of the same steps in float32."""

import copy
import json
import sys

import torch
import torchvision
from torch.nn import functional as F

SIDE = 64
SAMPLES = 8
CLASSES = 10
LEARNING_RATE = 0.0003
MOMENTUM = 0.9

TYPES = {torch.int64: "I64", torch.float32: "F32"}


def write_safetensors(path, tensors, metadata):
    """By type, int64 first, then by name; the header in JSON, with spaces up to a multiple of 8."""
    order = sorted(tensors.items(), key=lambda item: (item[1].dtype != torch.int64, item[0]))
    header = {"__metadata__": metadata} if metadata else {}
    values = b""
    for name, tensor in order:
        data = tensor.detach().contiguous().numpy().tobytes()
        offsets = [len(values), len(values) + len(data)]
        header[name] = {
            "dtype": TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
        values += data
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + values)


def randomize(model, low, high):
    """Norms with weights, biases and statistics of their own."""
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.weight.data.uniform_(low, high)
            part.bias.data.normal_(0, 0.1)
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2)
            part.num_batches_tracked.fill_(7)


def train(model, images, labels, steps):
    """The losses before each step; what PyTorch computes in float64."""
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        losses.append(float(loss))
        optimizer.step()
    return losses


def main(name, folder, steps):
    torch.manual_seed(2026)
    model = getattr(torchvision.models, name)(num_classes=CLASSES)
    # In training they are small, so that depth amplifies less: else relus that open by rounding
    # move PyTorch's float32 away from its own float64 by 0.0005 of the loss.
    randomize(model, *((0.2, 0.4) if steps > 0 else (0.5, 1.5)))
    images = torch.randn(SAMPLES, 3, SIDE, SIDE)
    labels = torch.arange(SAMPLES) * 3 % CLASSES
    write_safetensors(f"{folder}/weights.safetensors", model.state_dict(), {"format": "pt"})
    exact = copy.deepcopy(model).to(torch.float64)
    with torch.no_grad():
        outputs = exact.eval()(images.to(torch.float64))
    run = {
        "images": images.permute(0, 2, 3, 1),
        "labels": labels,
        "outputs": outputs.to(torch.float32),
    }
    if steps > 0:
        losses = train(exact.train(), images.to(torch.float64), labels, steps)
        run["losses"] = torch.tensor(losses, dtype=torch.float32)
        trained = {
            key: value.to(torch.float32) if value.is_floating_point() else value
            for key, value in exact.state_dict().items()
        }
        write_safetensors(f"{folder}/trained.safetensors", trained, {})
        train(model.train(), images, labels, steps)
        write_safetensors(f"{folder}/rounded.safetensors", model.state_dict(), {})
    write_safetensors(f"{folder}/run.safetensors", run, {})


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
