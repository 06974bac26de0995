"""What a random network may do: each step draws its operands and returns what to run, or None."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tools.fuzz import layers, shapes
from tools.fuzz.draw import Draw, Made

_UNARY = (torch.relu, torch.tanh, torch.sigmoid, torch.neg, F.gelu, torch.abs, torch.sin)


def _unary(d: Draw) -> Made:
    found = d.one(1)
    if found is None:
        return None
    return (found[0],), d.rng.choice(_UNARY)


def _along(d: Draw) -> Made:
    found = d.one()
    if found is None:
        return None
    i, x = found
    axis = d.axis(x)
    name = d.rng.choice(("softmax", "cumsum", "flip", "roll", "center", "normalize", "sort"))
    table: dict[str, Callable[[Tensor], Tensor]] = {
        "softmax": lambda x: x.softmax(axis),
        "cumsum": lambda x: x.cumsum(axis),
        "flip": lambda x: x.flip(axis),
        "roll": lambda x: x.roll(1, axis),
        "center": lambda x: x - x.mean(axis, keepdim=True),
        "normalize": lambda x: x / (x.square().sum(axis, keepdim=True) + 1).sqrt(),
        "sort": lambda x: x.sort(axis).values,
    }
    return (i,), table[name]


_BINARY = (torch.add, torch.mul, torch.sub, torch.maximum, lambda a, b: a / (b.square() + 1))


def _binary(d: Draw) -> Made:
    found = d.one(1)
    if found is None:
        return None
    j = d.like(found[0])
    return None if j is None else ((found[0], j), d.rng.choice(_BINARY))


def _broadcast(d: Draw) -> Made:
    """Two tensors whose shapes broadcast."""
    found = d.one()
    if found is None:
        return None
    i, x = found
    fit = []
    for j, v in enumerate(d.values):
        try:
            shape = torch.broadcast_shapes(x.shape, v.shape)
        except RuntimeError:
            continue
        if shape == x.shape and v.shape != x.shape and v.dim() and v.shape[0] == x.shape[0]:
            fit.append(j)
    return None if not fit else ((i, d.rng.choice(fit)), d.rng.choice(_BINARY))


def _matmul(d: Draw) -> Made:
    a, b = d.one(3), d.one(3)
    if a is None or b is None or a[1].dim() != b[1].dim():
        return None
    x, y = a[1], b[1]
    if x.shape[:-2] == y.shape[:-2] and x.shape[-1] == y.shape[-1]:
        return (a[0], b[0]), lambda x, y: x @ y.transpose(-1, -2)
    if x.shape[:-2] == y.shape[:-2] and x.shape[-1] == y.shape[-2]:
        return (a[0], b[0]), torch.matmul
    return None


_REDUCE = (torch.sum, torch.mean, torch.amax, torch.logsumexp)


def _reduce(d: Draw) -> Made:
    found = d.one(3)
    if found is None:
        return None
    i, x = found
    axis, fn, keep = d.axis(x), d.rng.choice(_REDUCE), d.rng.random() < 0.4
    return (i,), lambda x: fn(x, axis, keepdim=keep)


def _constant(d: Draw) -> Made:
    """A constant that differs along some axes: a code, a mask, the identity."""
    found = d.one()
    if found is None:
        return None
    i, x = found
    shape = [n if a and d.rng.random() < 0.6 else 1 for a, n in enumerate(x.shape)]
    if x.dim() > 2 and x.shape[-1] == x.shape[-2] and d.rng.random() < 0.5:
        value = torch.eye(x.shape[-1])
    else:
        value = torch.randint(0, 3, shape, generator=torch.Generator().manual_seed(len(d.values)))
    fn = d.rng.choice((torch.add, torch.mul, torch.sub))
    return (i,), lambda x: fn(x, value.to(x.dtype))


def _matrix(d: Draw) -> Made:
    """A function of the last two axes, of a square matrix."""
    found = d.one(3)
    if found is None or found[1].shape[-1] != found[1].shape[-2]:
        return None
    eye = torch.eye(found[1].shape[-1])
    table: tuple[Callable[[Tensor], Tensor], ...] = (
        lambda x: torch.linalg.inv(eye.to(x.dtype) * 4 + x.tanh()),
        lambda x: torch.matrix_exp(x.tanh()), lambda x: x.tril(), lambda x: x + x.mT,
        lambda x: torch.linalg.slogdet(eye.to(x.dtype) * 4 + x.tanh())[1][..., None],
        lambda x: x.diagonal(dim1=-2, dim2=-1),
    )  # fmt: skip
    return (found[0],), d.rng.choice(table)


def _pool(d: Draw) -> Made:
    found = d.one(3)
    if found is None or found[1].dim() != 3 or found[1].shape[-1] < 2:
        return None
    return (found[0],), d.rng.choice((lambda x: F.avg_pool1d(x, 2), lambda x: F.max_pool1d(x, 2)))


def _where(d: Draw) -> Made:
    """One of two values, as the sign of a third says."""
    found = d.one(1)
    if found is None:
        return None
    other = d.like(found[0])
    return None if other is None else (
        (found[0], other), lambda x, y: torch.where(x > 0, y, x.sin()))  # fmt: skip


STEPS: dict[str, tuple[float, Callable[[Draw], Made]]] = {
    "linear": (4, layers.linear),
    "mix": (1.5, layers.mix),
    "conv": (1, layers.conv),
    "unary": (3, _unary),
    "along": (1, _along),
    "norm": (1, layers.norm),
    "binary": (2.5, _binary),
    "broadcast": (1, _broadcast),
    "outer": (1, shapes.outer),
    "matmul": (1.5, _matmul),
    "merge": (1, shapes.merge),
    "split": (1, shapes.split),
    "permute": (1, shapes.permute),
    "cat": (1, shapes.cat),
    "stack": (0.7, shapes.stack),
    "slice": (1, shapes.slice),
    "reduce": (1.2, _reduce),
    "parameter": (1.2, layers.parameter),
    "token": (0.5, layers.token),
    "made weight": (0.7, layers.made_weight),
    "topk": (0.2, layers.topk),
    "route": (0.3, layers.route),
    "constant": (0.8, _constant),
    "expert": (0.6, layers.expert),
    "lookup": (0.4, shapes.lookup),
    "dynamic conv": (0.7, layers.dynamic_conv),
    "cell": (0.4, layers.cell),
    "matrix": (0.5, _matrix),
    "pool": (0.4, _pool),
    "where": (0.4, _where),
}
