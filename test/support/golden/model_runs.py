"""The runs of models.json: torchvision's networks, and a U-Net written here, with parameters and
images from a formula that both sides know; forward and backward once, then a few steps of SGD on
one batch, all in float64. What PyTorch's float32 is off by stands beside: in deep networks a relu
that opens by rounding changes gradients by percents."""

import copy

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

SIDE = 64
SAMPLES = 8
CLASSES = 10
STEPS = 6
LEARNING_RATE = 0.0003
MOMENTUM = 0.9
IMAGE_TENSOR = 1_000_003
UNET_CHANNELS = 8


def formula(tensor, count):
    """`count` numbers from -1 to 1 that depend on the number of the tensor."""
    places = torch.arange(count, dtype=torch.int64)
    mixed = (places * 2654435761 + tensor * 40503) % 2**32
    mixed = mixed ^ (mixed >> 15)
    mixed = (mixed * 2246822519) % 2**32
    mixed = mixed ^ (mixed >> 13)
    return mixed.to(torch.float64) / 2**31 - 1


def fill(model):
    with torch.no_grad():
        for tensor, parameter in enumerate(model.parameters()):
            values = formula(tensor, parameter.numel()).reshape(parameter.shape)
            if parameter.dim() == 1:
                # Norms' weights around 0.3, so that depth amplifies less; biases around 0.
                start = 0.3 if parameter.mean() == 1 else 0.0
                values = start + 0.1 * values
            else:
                fan_in = parameter[0].numel()
                values = values * (6 / fan_in) ** 0.5
            parameter.copy_(values.to(torch.float32).to(torch.float64))


def summary(values):
    """The length of a tensor, and how far it points where the formula does."""
    flat = values.reshape(-1)
    return [float(flat.norm()), float(flat @ formula(7, flat.numel()))]


def steps_of(model, dtype):
    model = copy.deepcopy(model).to(dtype).train()
    images = formula(IMAGE_TENSOR, SAMPLES * 3 * SIDE * SIDE).reshape(SAMPLES, 3, SIDE, SIDE)
    images = images.to(torch.float32).to(dtype)
    labels = labels_of(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        losses.append(float(loss))
        if step == 0:
            # As channels last; of pixels every so many.
            last = logits.movedim(1, -1).detach().to(torch.float64)
            outputs = last.reshape(-1).tolist()
            gradients = {
                key: summary(p.grad.to(torch.float64)) for key, p in model.named_parameters()
            }
        optimizer.step()
    parameters = {
        key: summary(p.detach().to(torch.float64)) for key, p in model.named_parameters()
    }
    return {
        "outputs": outputs[:: len(outputs) // (SAMPLES * CLASSES)],
        "losses": losses,
        "gradients": gradients,
        "parameters": parameters,
    }


def labels_of(model):
    """Of samples, or of all their pixels."""
    if not isinstance(model, Unet):
        return torch.arange(SAMPLES) * 3 % CLASSES
    pixels = torch.arange(SAMPLES * SIDE * SIDE).reshape(SAMPLES, SIDE, SIDE)
    return (pixels // 37 + pixels // SIDE) % CLASSES


def off_by(found, exact):
    """The largest difference over the larger of a length and 0.001."""
    return max(
        abs(a - b) / max(exact[key][0], 1e-3)
        for key in exact
        for a, b in zip(found[key], exact[key])
    )


def run(name, model):
    model = model.to(torch.float64)
    fill(model)
    exact = steps_of(model, torch.float64)
    rounded = steps_of(model, torch.float32)
    largest = max(abs(value) for value in exact["outputs"])
    differences = {
        "outputs": max(abs(a - b) for a, b in zip(rounded["outputs"], exact["outputs"])) / largest,
        "losses": max(abs(a - b) / b for a, b in zip(rounded["losses"], exact["losses"])),
        "gradients": off_by(rounded["gradients"], exact["gradients"]),
        "parameters": off_by(rounded["parameters"], exact["parameters"]),
    }
    return {"name": name} | exact | {"float32Differences": differences}


class Unet(nn.Module):
    """As src/nn/models/unet.ts has it."""

    def __init__(self, first):
        super().__init__()
        channels = [first * 2**level for level in range(5)]
        self.down0 = convolutions(3, first)
        for level in range(1, 5):
            setattr(self, f"down{level}", convolutions(channels[level - 1], channels[level]))
        for level in reversed(range(4)):
            up = nn.ConvTranspose2d(channels[level + 1], channels[level], 2, stride=2)
            setattr(self, f"up{level}", up)
            setattr(self, f"merge{level}", convolutions(2 * channels[level], channels[level]))
        self.classifier = nn.Conv2d(first, CLASSES, 1)

    def forward(self, x):
        skipped = []
        x = self.down0(x)
        for level in range(1, 5):
            skipped.append(x)
            x = getattr(self, f"down{level}")(F.max_pool2d(x, 2))
        for level in reversed(range(4)):
            up = getattr(self, f"up{level}")(x)
            x = getattr(self, f"merge{level}")(torch.cat([skipped[level], up], 1))
        return self.classifier(x)


def convolutions(before, after):
    layers = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


def without_dropout(model):
    """What is dropped is drawn otherwise here."""
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return model


def make_models():
    models = torchvision.models
    nets = {
        "resnet18": models.resnet18(num_classes=CLASSES),
        "resnet34": models.resnet34(num_classes=CLASSES),
        "resnet50": models.resnet50(num_classes=CLASSES),
        "densenet121": models.densenet121(num_classes=CLASSES),
        "mobilenet-v2": models.mobilenet_v2(num_classes=CLASSES),
        "mobilenet-v3-small": models.mobilenet_v3_small(num_classes=CLASSES),
        "efficientnet-b0": models.efficientnet_b0(
            num_classes=CLASSES, stochastic_depth_prob=0.0
        ),
        "unet": Unet(UNET_CHANNELS),
    }
    shared = {
        "torchvision": torchvision.__version__,
        "side": SIDE,
        "samples": SAMPLES,
        "classes": CLASSES,
        "learningRate": LEARNING_RATE,
        "momentum": MOMENTUM,
        "imageTensor": IMAGE_TENSOR,
    }
    return shared, [run(name, without_dropout(net)) for name, net in nets.items()]
