"""Steps that move, join and repeat axes."""

from __future__ import annotations

import torch
from torch import Tensor

from tools.fuzz.draw import Draw, Made


def merge(d: Draw) -> Made:
    found = d.one(3)
    if found is None:
        return None
    i, x = found
    axis = d.rng.randrange(1, x.dim() - 1)
    return (i,), lambda x: x.flatten(axis, axis + 1)


def split(d: Draw) -> Made:
    found = d.one()
    if found is None:
        return None
    i, x = found
    fit = [a for a in range(1, x.dim()) if x.shape[a] in (4, 6, 8, 9, 12, 16)]
    if not fit:
        return None
    axis = d.rng.choice(fit)
    first = 3 if x.shape[axis] % 3 == 0 else 2
    return (i,), lambda x: x.unflatten(axis, (first, -1))


def permute(d: Draw) -> Made:
    found = d.one(3)
    if found is None:
        return None
    i, x = found
    order = [0, *d.rng.sample(range(1, x.dim()), x.dim() - 1)]
    return (i,), lambda x: x.permute(order)


def cat(d: Draw) -> Made:
    found = d.one()
    if found is None:
        return None
    i, x = found
    axis = d.axis(x)
    rest = [s for a, s in enumerate(x.shape) if a != axis]
    fit = [
        j
        for j, v in enumerate(d.values)
        if v.dim() == x.dim() and [s for a, s in enumerate(v.shape) if a != axis] == rest
    ]
    return (i, d.rng.choice(fit)), lambda x, y: torch.cat([x, y], axis)


def stack(d: Draw) -> Made:
    found = d.one()
    if found is None:
        return None
    i, x = found
    j = d.like(i)
    axis = d.rng.randrange(1, x.dim() + 1)
    return None if j is None else ((i, j), lambda x, y: torch.stack([x, y], axis))


def slice(d: Draw) -> Made:
    found = d.one()
    if found is None:
        return None
    i, x = found
    axis = d.axis(x)
    n = x.shape[axis]
    kind = d.rng.choice(("half", "step", "select", "shuffle"))
    if kind == "select" and x.dim() > 2:
        at = d.rng.randrange(n)
        return (i,), lambda x: x.select(axis, at)
    if kind == "shuffle" and n > 2:
        order = torch.tensor(d.rng.sample(range(n), n))
        return (i,), lambda x: x.index_select(axis, order)
    if n % 2 or n < 4:
        return None
    if kind == "half":
        return (i,), lambda x: x.narrow(axis, n // 2, n // 2)
    return (i,), lambda x: x.unflatten(axis, (n // 2, 2)).select(axis + 1, 1)


def lookup(d: Draw) -> Made:
    """Units looked up by a table of offsets, or one unit for each place."""
    found = d.one()
    if found is None:
        return None
    i, x = found
    axis = d.axis(x)
    n = x.shape[axis]
    places = torch.arange(3)
    index = (places[:, None] - places + n // 2).clamp(0, n - 1)
    if x.dim() > 3:
        return None
    return (i,), lambda x: x.index_select(axis, index.reshape(-1)).unflatten(axis, (3, 3))


def outer(d: Draw) -> Made:
    a, b = d.one(), d.one()
    if a is None or b is None or a[1].dim() + b[1].dim() > 5:
        return None
    lead, trail = a[1].dim(), b[1].dim()

    def run(x: Tensor, y: Tensor) -> Tensor:
        wide = x.reshape(*x.shape, *(1,) * (trail - 1))
        other = y.reshape(y.shape[0], *(1,) * (lead - 1), *y.shape[1:])
        return op(wide, other)

    op = d.rng.choice((torch.mul, torch.add, lambda a, b: (a - b).exp().clamp(max=9.0)))
    return (a[0], b[0]), run
