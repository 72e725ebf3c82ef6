"""Writes layers.json, losses.json, sequences.json, training.json, fineTuning.json, schedules.json,
models.json, interop.json and doubleBackward.json: what PyTorch computes, as numbers for the tests.

Inputs and parameters are float32 numbers; everything is then computed in float64 on one thread,
rounded to float32 and written with as many digits (at most 9) as give that float32 back exactly.
Run: /usr/bin/python3 test/support/golden/make.py
"""

import json
from pathlib import Path

import torch
from double_backward import make_double_backward
from fine_tuning_runs import make_fine_tuning
from interop_runs import make_interop
from layer_cases import make_cases, make_losses
from loss_runs import make_loss_runs
from model_runs import make_models
from reference import SEED
from schedules import make_schedules
from sequence_runs import make_sequences
from training_runs import make_training

FOLDER = Path(__file__).resolve().parent


def write_json(file_name, head, lists):
    """`head` on the first line, then each list, one element a line, so that diffs stay small."""
    lines = json.dumps(head, separators=(",", ":"))[:-1]
    for name, elements in lists.items():
        rows = ",\n".join(
            json.dumps(element, separators=(",", ":"), allow_nan=False) for element in elements
        )
        lines += f',\n"{name}":[\n{rows}\n]'
    path = FOLDER / file_name
    path.write_text(lines + "}\n", encoding="utf-8")
    print(f"{file_name}: {path.stat().st_size / 1024:.0f} KiB")


def main():
    torch.set_num_threads(1)
    head = {"torch": torch.__version__, "seed": SEED}
    write_json("layers.json", head, {"cases": make_cases(), "losses": make_losses()})

    shared, runs = make_sequences()
    write_json("sequences.json", head | shared, {"runs": runs})

    shared, runs = make_training()
    write_json("training.json", head | shared, {"runs": runs})

    shared, runs = make_fine_tuning()
    write_json("fineTuning.json", head | shared, {"runs": runs})
    shared, runs = make_schedules()
    write_json("schedules.json", head | shared, {"runs": runs})
    shared, runs = make_loss_runs()
    write_json("losses.json", head | shared, {"runs": runs})
    shared, runs = make_models()
    write_json("models.json", head | shared, {"runs": runs})
    shared, runs = make_interop()
    write_json("interop.json", head | shared, {"runs": runs})
    shared, runs = make_double_backward()
    write_json("doubleBackward.json", head | shared, {"runs": runs})


if __name__ == "__main__":
    main()
