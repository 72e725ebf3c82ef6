"""The runs of schedules.json: the rates of PyTorch's schedulers, step by step."""

import torch
from torch.optim import lr_scheduler

BASE_LR = 0.3
STEPS = 40
STEPS_PER_EPOCH = 7

# name, our spec, PyTorch's scheduler, whether it is stepped by epochs
SCHEDULES = [
    (
        "exponential",
        {"kind": "exponential", "gamma": 0.9},
        lambda o: lr_scheduler.ExponentialLR(o, 0.9),
        False,
    ),
    (
        "exponential, by epochs",
        {"kind": "exponential", "gamma": 0.5, "unit": "epochs"},
        lambda o: lr_scheduler.ExponentialLR(o, 0.5),
        True,
    ),
    (
        "step, by epochs",
        {"kind": "step", "stepSize": 2, "gamma": 0.1, "unit": "epochs"},
        lambda o: lr_scheduler.StepLR(o, 2),
        True,
    ),
    (
        "milestones, by epochs",
        {"kind": "step", "milestones": [1, 4], "gamma": 0.5, "unit": "epochs"},
        lambda o: lr_scheduler.MultiStepLR(o, [1, 4], 0.5),
        True,
    ),
    (
        "polynomial",
        {"kind": "polynomial"},
        lambda o: lr_scheduler.PolynomialLR(o, STEPS),
        False,
    ),
    (
        "polynomial, power 0.9",
        {"kind": "polynomial", "power": 0.9},
        lambda o: lr_scheduler.PolynomialLR(o, STEPS, 0.9),
        False,
    ),
    ("one cycle", {"kind": "oneCycle"}, lambda o: lr_scheduler.OneCycleLR(o, BASE_LR, STEPS), False),
    (
        "one cycle, linear",
        {
            "kind": "oneCycle",
            "pctStart": 0.5,
            "divFactor": 10,
            "finalDivFactor": 100,
            "annealStrategy": "linear",
        },
        lambda o: lr_scheduler.OneCycleLR(
            o,
            BASE_LR,
            STEPS,
            pct_start=0.5,
            div_factor=10,
            final_div_factor=100,
            anneal_strategy="linear",
        ),
        False,
    ),
    (
        "warm restarts",
        {"kind": "warmRestarts", "period": 6, "minLr": 0.01},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 6, eta_min=0.01),
        False,
    ),
    (
        "warm restarts, each twice as long",
        {"kind": "warmRestarts", "period": 4, "multiplier": 2},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4, 2),
        False,
    ),
]


def rates_of(make, is_by_epochs):
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=BASE_LR, momentum=0.9)
    scheduler = make(optimizer)
    rates = []
    for step in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        is_epoch_over = (step + 1) % STEPS_PER_EPOCH == 0
        # OneCycleLR has as many rates as steps, and refuses to go on.
        if step + 1 < STEPS and (is_epoch_over or not is_by_epochs):
            scheduler.step()
    return rates


def make_schedules():
    """What all runs share, and the runs."""
    shared = {"baseLr": BASE_LR, "steps": STEPS, "stepsPerEpoch": STEPS_PER_EPOCH}
    runs = [
        {"name": name, "schedule": spec, "rates": rates_of(make, is_by_epochs)}
        for name, spec, make, is_by_epochs in SCHEDULES
    ]
    return shared, runs
