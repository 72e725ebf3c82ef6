"""The nets of interop.json: small modules of PyTorch with their state dicts in PyTorch's names and
layouts, inputs with channels last, and outputs in evaluation. Each has an order of its own: images
that are flattened before what has an element for each feature, sequences of both kinds."""

import torch
from torch import nn

SAMPLES = 2


class Last(nn.Module):
    """The hidden states of a recurrent layer, or the last of them."""

    def __init__(self, is_sequence):
        super().__init__()
        self.is_sequence = is_sequence

    def forward(self, x):
        states = x[0]
        return states if self.is_sequence else states[:, -1]


class Joined(nn.Module):
    """Two flattened branches side by side."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(2, 3, 2)
        self.b = nn.Conv2d(2, 2, 3)
        self.fc = nn.Linear(3 * 12 + 2 * 6, 3)

    def forward(self, x):
        return self.fc(torch.cat([self.a(x).flatten(1), self.b(x).flatten(1)], 1))


class Recurrent(nn.Module):
    """Named as a number in our sequential models."""

    def __init__(self, layers):
        super().__init__()
        self.steps = []
        for i, layer in enumerate(layers):
            self.steps.append(layer)
            self.add_module(str(i), layer)

    def forward(self, x):
        for layer in self.steps:
            x = Last(layer.is_sequence)(layer(x)) if isinstance(layer, nn.RNNBase) else layer(x)
        return x


def recurrent(layer, is_sequence):
    layer.is_sequence = is_sequence
    return layer


def nets():
    image, sequence = (2, 5, 4), (6, 2)
    yield "flattened", image, nn.Sequential(
        nn.Conv2d(2, 4, 3, groups=2, padding=1),
        nn.LayerNorm([4, 5, 4]),
        nn.PReLU(4),
        nn.Flatten(),
        nn.BatchNorm1d(80),
        nn.Linear(80, 3),
    )
    yield "transposed", image, nn.Sequential(
        nn.ConvTranspose2d(2, 4, (2, 3), stride=2, groups=2, bias=False),
        nn.BatchNorm2d(4),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(80, 3, bias=False),
    )
    yield "joined", image, Joined()
    yield "convolved", sequence, nn.Sequential(
        nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(12, 2)
    )
    yield "gru", sequence, Recurrent(
        [
            recurrent(nn.GRU(2, 3, batch_first=True), True),
            nn.Flatten(),
            nn.Linear(18, 2),
        ]
    )
    yield "lstm", sequence, Recurrent(
        [
            recurrent(nn.RNN(2, 4, batch_first=True), True),
            recurrent(nn.LSTM(4, 3, batch_first=True), False),
            nn.Linear(3, 2),
        ]
    )


def randomize(net):
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if "running_var" in key:
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.uniform_(-0.7, 0.7)
            else:
                value.fill_(3)


def numbers(tensor):
    return tensor.detach().to(torch.float32).reshape(-1).tolist()


def run(name, shape, net):
    randomize(net)
    tensors = [
        {"name": key, "shape": list(value.shape), "data": numbers(value)}
        for key, value in net.state_dict().items()
    ]
    x = torch.rand(SAMPLES, *shape) * 2 - 1
    # Images are [C, H, W] there; of the sequences only those of a convolution.
    is_moved = name not in ("gru", "lstm")
    last = x.movedim(1, -1) if len(shape) == 3 else x
    given = x.movedim(-1, 1) if is_moved and len(shape) == 2 else x
    y = net.to(torch.float64).eval()(given.to(torch.float64))
    return {
        "name": name,
        "inputShape": list(last.shape[1:]),
        "tensors": tensors,
        "input": numbers(last),
        "output": numbers(y),
    }


def make_interop():
    torch.manual_seed(2026)
    return {}, [run(*net) for net in nets()]
