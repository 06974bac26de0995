"""Steps that own parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tools.fuzz.draw import Draw, Made


def linear(d: Draw) -> Made:
    found = d.one()
    if found is None:
        return None
    i, x = found
    w = d.weight(d.rng.choice([3, 4, 5]), x.shape[-1])
    bias = d.weight(w.shape[0]) if d.rng.random() < 0.6 else None
    return (i,), lambda x: F.linear(x, w, bias)


def mix(d: Draw) -> Made:
    """A linear layer along some axis."""
    found = d.one()
    if found is None:
        return None
    i, x = found
    axis = d.axis(x)
    w = d.weight(d.rng.choice([3, 4]), x.shape[axis])
    return (i,), lambda x: torch.movedim(F.linear(torch.movedim(x, axis, -1), w), -1, axis)


def conv(d: Draw) -> Made:
    found = d.one(3)
    if found is None or found[1].dim() != 3:
        return None
    i, x = found
    groups = 2 if x.shape[1] % 2 == 0 and d.rng.random() < 0.3 else 1
    w = d.weight(4, x.shape[1] // groups, d.rng.choice([1, 3]))
    pad = w.shape[-1] // 2
    return (i,), lambda x: F.conv1d(x, w, padding=pad, groups=groups)


def norm(d: Draw) -> Made:
    found = d.one()
    if found is None:
        return None
    i, x = found
    kind = d.rng.choice(("layer", "batch", "group", "rms"))
    n = x.shape[-1] if kind in ("layer", "rms") else x.shape[1]
    gain, shift = d.weight(n), d.weight(n)
    if kind == "layer":
        return (i,), lambda x: F.layer_norm(x, (n,), gain, shift)
    if kind == "rms":
        return (i,), lambda x: F.rms_norm(x, (n,), gain)
    if kind == "group" and n % 2 == 0:
        return (i,), lambda x: F.group_norm(x, 2, gain, shift)
    mean, var = d.weight(n), d.weight(n)
    return (i,), lambda x: F.batch_norm(x, mean.detach(), var.detach().square() + 1, gain, shift)


def made_weight(d: Draw) -> Made:
    """A linear layer whose weight is computed."""
    found = d.one()
    if found is None:
        return None
    i, x = found
    n = x.shape[-1]
    w, v = d.weight(n, n), d.weight(n, n)
    maps: tuple[Callable[[], Tensor], ...] = (
        lambda: w @ v, lambda: w.softmax(-1), lambda: w - w.T, lambda: w.tril(), lambda: w * v,
        lambda: w / w.norm(dim=1, keepdim=True), lambda: w + v.T, lambda: torch.cat([w, v], 0),
        lambda: w.relu() + 0.1, lambda: w @ w.T, lambda: w.exp() - v.mean(0),
    )  # fmt: skip
    make = d.rng.choice(maps)
    return (i,), lambda x: F.linear(x, make())


def expert(d: Draw) -> Made:
    """The best of some units chooses one of several matrices."""
    found = d.one()
    if found is None or found[1].dim() != 2:
        return None
    i, x = found
    other = d.one()
    if other is None or other[1].dim() != 2:
        return None
    w = d.weight(other[1].shape[-1], x.shape[-1], d.rng.choice((3, 4)))
    return (i, other[0]), lambda x, y: torch.einsum("ni,nio->no", x, w[y.argmax(-1)])


def topk(d: Draw) -> Made:
    found = d.one()
    if found is None:
        return None
    i, x = found
    axis = d.axis(x)
    if x.shape[axis] < 3:
        return None
    return (i,), lambda x: x.topk(2, axis).values


def route(d: Draw) -> Made:
    """A routed mixture: the best of the last axis is kept at its place, the others are 0."""
    found = d.one()
    if found is None or found[1].shape[-1] < 3:
        return None

    def run(x: Tensor) -> Tensor:
        best, where = x.topk(2, -1)
        return torch.zeros_like(x).scatter(-1, where, best.sigmoid())

    return (found[0],), run


def token(d: Draw) -> Made:
    """Learned tokens before the others."""
    found = d.one(3)
    if found is None:
        return None
    i, x = found
    w = d.weight(d.rng.choice((1, 2)), *x.shape[2:])
    return (i,), lambda x: torch.cat([w.expand(x.shape[0], *w.shape), x], 1)


def parameter(d: Draw) -> Made:
    """A raw parameter meets a tensor: along some of its axes."""
    found = d.one()
    if found is None:
        return None
    i, x = found
    shape = [n if a and d.rng.random() < 0.6 else 1 for a, n in enumerate(x.shape)]
    w, fn = d.weight(*shape[1:]), d.rng.choice((torch.add, torch.mul, torch.sub))
    return (i,), lambda x: fn(x, w)


def dynamic_conv(d: Draw) -> Made:
    """A convolution whose kernel is data, or a constant."""
    found = d.one(3)
    other = d.one()
    if found is None or found[1].dim() != 3 or other is None or other[1].dim() != 2:
        return None
    (i, x), (j, y) = found, other
    count, size = x.shape[1], d.rng.choice((1, 3))
    pad, stride = size // 2, d.rng.choice((1, 2))
    if d.rng.random() < 0.4:
        kernel = torch.arange(1.0, size + 1).expand(count, 1, size)
        return (i,), lambda x: F.conv1d(
            x, kernel.to(x.dtype), stride=stride, padding=pad, groups=count
        )
    w = d.weight(3 * count * size, y.shape[-1])
    return (i, j), lambda x, y: F.conv1d(
        x, F.linear(y[0], w).view(3, count, size), stride=stride, padding=pad
    )


def cell(d: Draw) -> Made:
    """Steps of a recurrent cell from a state of zeros."""
    found = d.one(3)
    if found is None or found[1].dim() != 3:
        return None
    i, x = found
    enter, back = d.weight(4, x.shape[-1]), d.weight(4, 4)

    def run(x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[0], 4)
        for t in range(min(3, x.shape[1])):
            state = torch.tanh(F.linear(x[:, t], enter) + F.linear(state, back))
        return state

    return (i,), run
