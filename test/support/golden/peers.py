# The formulas of other systems in NumPy's float32, step by step, for two ranks of three and two
# values: prints what test/experiments/conventions.test.ts expects.

import numpy as np

f = np.float32
a = np.array([1.1, 2.3, 1003.7], f)
b = np.array([10.5, -11.25], f)
eps, momentum, old = f(1e-5), f(0.1), f(1)
one = f(1)


def welford(x):
    mean, m2 = f(0), f(0)
    for i, value in enumerate(x):
        delta = value - mean
        mean = mean + delta / f(i + 1)
        m2 = m2 + delta * (value - mean)
    return mean, m2


def pairs(x):
    if len(x) == 1:
        return x[0]
    half = (len(x) + 1) // 2
    return pairs(x[:half]) + pairs(x[half:])


def show(name, mean, var, invstd, y, running):
    print(name, [float(v) for v in (mean, var, running)], [float(v) for v in y])


def pytorch():
    mean, m2, n = f(0), f(0), 0
    for x in (a, b):
        m, own = welford(x)
        invstd = one / np.sqrt(own / f(len(x)) + eps)
        v = one / invstd
        v = (v * v - eps) * f(len(x))
        factor = one / f(n + len(x))
        m2 = m2 + (v + (mean - m) * (mean - m) * f(n) * f(len(x)) * factor)
        mean = f(n) * factor * mean + f(len(x)) * factor * m
        n += len(x)
    var = m2 / f(n)
    invstd = one / np.sqrt(var + eps)
    y = [(v - mean) * invstd for v in (*a, *b)]
    show('pytorch-ddp', mean, var, invstd, y, (one - momentum) * old + momentum * (m2 / f(n - 1)))


def keras():
    mean = (pairs(a) + pairs(b)) / f(5)
    square = (pairs(a * a) + pairs(b * b)) / f(5)
    var = max(square - mean * mean, f(0))
    invstd = one / np.sqrt(var + eps)
    y = [v * invstd - mean * invstd for v in (*a, *b)]
    show('keras', mean, var, invstd, y, (one - momentum) * old + momentum * var)


def alike():
    mean = (pairs(a) / f(3) + pairs(b) / f(2)) / f(2)
    square = (pairs(a * a) / f(3) + pairs(b * b) / f(2)) / f(2)
    return mean, square - mean * mean


def flax():
    mean, var = alike()
    invstd = one / np.sqrt(max(var, f(0)) + eps)
    y = [(v - mean) * invstd for v in (*a, *b)]
    show('flax', mean, var, invstd, y, (one - momentum) * old + momentum * var)


def detectron2():
    mean, var = alike()
    invstd = one / np.sqrt(var + eps)
    y = [v * invstd - mean * invstd for v in (*a, *b)]
    show('detectron2', mean, var, invstd, y, old + momentum * (var - old))


for system in (pytorch, keras, flax, detectron2):
    system()
