"""Writes refnet.onnx and resnet20.onnx to a folder, for `npm run bench -- predict --onnx FOLDER`.

Weights are random and batch norms stay as they are: what runs the files may fold them.
"""

import os
import sys

import torch
import torch_nets


def main():
    (folder,) = sys.argv[1:]
    for name, shape in (("refnet", (1, 28, 28)), ("resnet20", (3, 32, 32))):
        net = getattr(torch_nets, f"make_{name}")(torch.nn.BatchNorm2d).eval()
        torch.onnx.export(
            net,
            torch.zeros(1, *shape),
            os.path.join(folder, f"{name}.onnx"),
            opset_version=13,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )


if __name__ == "__main__":
    main()
