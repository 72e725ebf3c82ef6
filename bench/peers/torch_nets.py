"""The nets that the PyTorch peer trains, each with any normalization: the twins of this library's
models of the same names. Some are those of torchvision, which is imported when one is built.

`norm` makes a normalization of a number of channels.
"""

import typing

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 10


def conv(in_channels, out_channels, kernel, stride=1):
    return nn.Conv2d(
        in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False
    )


def head(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]


def make_refnet(norm):
    widths, strides = (1, 16, 32, 32), (1, 2, 1)
    layers = []
    for in_channels, out_channels, stride in zip(widths, widths[1:], strides):
        layers += [conv(in_channels, out_channels, 3, stride), norm(out_channels), nn.ReLU(True)]
    return nn.Sequential(*layers, *head(widths[-1]))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity, or a 1x1 projection where the shape changes."""

    def __init__(self, in_channels, out_channels, stride, norm):
        super().__init__()
        self.body = nn.Sequential(
            conv(in_channels, out_channels, 3, stride),
            norm(out_channels),
            nn.ReLU(True),
            conv(out_channels, out_channels, 3),
            norm(out_channels),
        )
        is_same = stride == 1 and in_channels == out_channels
        projection = (conv(in_channels, out_channels, 1, stride), norm(out_channels))
        self.shortcut = nn.Identity() if is_same else nn.Sequential(*projection)

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


def make_resnet20(norm):
    """The CIFAR form of He et al. 2015: three stages of three blocks."""
    layers = [conv(3, 16, 3), norm(16), nn.ReLU(True)]
    in_channels = 16
    for width in (16, 32, 64):
        for block in range(3):
            stride = 2 if block == 0 and width > 16 else 1
            layers.append(ResidualBlock(in_channels, width, stride, norm))
            in_channels = width
    return nn.Sequential(*layers, *head(in_channels))


def torchvision_net(name):
    def make(norm):
        from torchvision import models

        return getattr(models, name)(num_classes=CLASSES, norm_layer=norm)

    return make


def double_conv(in_channels, out_channels, norm):
    layers = []
    for channels in (in_channels, out_channels):
        layers += [conv(channels, out_channels, 3), norm(out_channels), nn.ReLU(True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Ronneberger et al. 2015 with padding and norms: outputs are as large as images. Each of the
    widths but the last is a level with a skip connection."""

    def __init__(self, norm, widths=(32, 64, 128, 256, 512)):
        super().__init__()
        steps = list(zip(widths, widths[1:]))
        self.first = double_conv(3, widths[0], norm)
        self.down = nn.ModuleList(double_conv(above, below, norm) for above, below in steps)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(below, above, 2, stride=2) for above, below in reversed(steps)
        )
        self.merge = nn.ModuleList(
            double_conv(2 * above, above, norm) for above, _ in reversed(steps)
        )
        self.last = nn.Conv2d(widths[0], CLASSES, 1)

    def forward(self, x):
        levels = [self.first(x)]
        for block in self.down:
            levels.append(block(F.max_pool2d(levels[-1], 2)))
        y = levels.pop()
        for up, block in zip(self.up, self.merge):
            y = block(torch.cat((levels.pop(), up(y)), 1))
        return self.last(y)


def class_targets(images, generator):
    return torch.randint(0, CLASSES, (len(images),), generator=generator)


def mask_targets(images, generator):
    """A class for each pixel."""
    return torch.randint(0, CLASSES, (len(images), *images.shape[2:]), generator=generator)


class Net(typing.NamedTuple):
    build: typing.Callable
    # Of one image.
    image_shape: tuple
    targets: typing.Callable = class_targets


NETS = {
    "refnet": Net(make_refnet, (1, 28, 28)),
    "resnet20": Net(make_resnet20, (3, 32, 32)),
    "resnet18": Net(torchvision_net("resnet18"), (3, 64, 64)),
    "mobilenet-v2": Net(torchvision_net("mobilenet_v2"), (3, 96, 96)),
    "unet": Net(UNet, (3, 64, 64), mask_targets),
}
