"""What a random network may do: each step draws its operands and returns what to run, or None."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Made = tuple[tuple[int, ...], Callable[..., Tensor]] | None


@dataclass
class Draw:
    """Random choices over the tensors that are there (index 0 is the batch axis of each)."""

    rng: random.Random
    values: Sequence[Tensor]
    weights: nn.ParameterList
    layers: nn.ModuleList

    def one(self, least: int = 2) -> tuple[int, Tensor] | None:
        """A tensor of at least this rank; later ones are likelier."""
        fit = [i for i, v in enumerate(self.values) if v.dim() >= least]
        if not fit:
            return None
        i = fit[max(self.rng.randrange(len(fit)), self.rng.randrange(len(fit)))]
        return i, self.values[i]

    def like(self, i: int) -> int | None:
        """Another tensor of the same shape."""
        fit = [j for j, v in enumerate(self.values) if v.shape == self.values[i].shape and j != i]
        return self.rng.choice(fit) if fit else None

    def axis(self, x: Tensor) -> int:
        """An axis other than the batch."""
        return self.rng.randrange(1, x.dim())

    def weight(self, *shape: int, new: float = 0.7) -> Tensor:
        """A parameter; sometimes one that is there already."""
        fit = [w for w in self.weights if tuple(w.shape) == shape]
        if fit and self.rng.random() > new:
            return self.rng.choice(fit)
        self.weights.append(nn.Parameter(torch.randn(shape) * 0.7))
        return self.weights[-1]


def _linear(d: Draw) -> Made:
    found = d.one()
    if found is None:
        return None
    i, x = found
    w = d.weight(d.rng.choice([3, 4, 5]), x.shape[-1])
    bias = d.weight(w.shape[0]) if d.rng.random() < 0.6 else None
    return (i,), lambda x: F.linear(x, w, bias)


def _mix(d: Draw) -> Made:
    """A linear layer along some axis."""
    found = d.one()
    if found is None:
        return None
    i, x = found
    axis = d.axis(x)
    w = d.weight(d.rng.choice([3, 4]), x.shape[axis])
    return (i,), lambda x: torch.movedim(F.linear(torch.movedim(x, axis, -1), w), -1, axis)


def _conv(d: Draw) -> Made:
    found = d.one(3)
    if found is None or found[1].dim() != 3:
        return None
    i, x = found
    groups = 2 if x.shape[1] % 2 == 0 and d.rng.random() < 0.3 else 1
    w = d.weight(4, x.shape[1] // groups, d.rng.choice([1, 3]))
    pad = w.shape[-1] // 2
    return (i,), lambda x: F.conv1d(x, w, padding=pad, groups=groups)


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


def _norm(d: Draw) -> Made:
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


def _outer(d: Draw) -> Made:
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


def _merge(d: Draw) -> Made:
    found = d.one(3)
    if found is None:
        return None
    i, x = found
    axis = d.rng.randrange(1, x.dim() - 1)
    return (i,), lambda x: x.flatten(axis, axis + 1)


def _split(d: Draw) -> Made:
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


def _permute(d: Draw) -> Made:
    found = d.one(3)
    if found is None:
        return None
    i, x = found
    order = [0, *d.rng.sample(range(1, x.dim()), x.dim() - 1)]
    return (i,), lambda x: x.permute(order)


def _cat(d: Draw) -> Made:
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


def _stack(d: Draw) -> Made:
    found = d.one()
    if found is None:
        return None
    i, x = found
    j = d.like(i)
    axis = d.rng.randrange(1, x.dim() + 1)
    return None if j is None else ((i, j), lambda x, y: torch.stack([x, y], axis))


def _slice(d: Draw) -> Made:
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


_REDUCE = (torch.sum, torch.mean, torch.amax, torch.logsumexp)


def _reduce(d: Draw) -> Made:
    found = d.one(3)
    if found is None:
        return None
    i, x = found
    axis, fn, keep = d.axis(x), d.rng.choice(_REDUCE), d.rng.random() < 0.4
    return (i,), lambda x: fn(x, axis, keepdim=keep)


def _parameter(d: Draw) -> Made:
    """A raw parameter meets a tensor: along some of its axes."""
    found = d.one()
    if found is None:
        return None
    i, x = found
    shape = [n if a and d.rng.random() < 0.6 else 1 for a, n in enumerate(x.shape)]
    w, fn = d.weight(*shape[1:]), d.rng.choice((torch.add, torch.mul, torch.sub))
    return (i,), lambda x: fn(x, w)


def _token(d: Draw) -> Made:
    """A learned token before the others."""
    found = d.one(3)
    if found is None:
        return None
    i, x = found
    w = d.weight(1, *x.shape[2:])
    return (i,), lambda x: torch.cat([w.expand(x.shape[0], *w.shape), x], 1)


def _made_weight(d: Draw) -> Made:
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


def _topk(d: Draw) -> Made:
    found = d.one()
    if found is None:
        return None
    i, x = found
    axis = d.axis(x)
    if x.shape[axis] < 3:
        return None
    return (i,), lambda x: x.topk(2, axis).values


def _route(d: Draw) -> Made:
    """A routed mixture: the best of the last axis is kept at its place, the others are 0."""
    found = d.one()
    if found is None or found[1].shape[-1] < 3:
        return None

    def run(x: Tensor) -> Tensor:
        best, where = x.topk(2, -1)
        return torch.zeros_like(x).scatter(-1, where, best.sigmoid())

    return (found[0],), run


STEPS: dict[str, tuple[float, Callable[[Draw], Made]]] = {
    "linear": (4, _linear), "mix": (1.5, _mix), "conv": (1, _conv), "unary": (3, _unary),
    "along": (1, _along), "norm": (1, _norm), "binary": (2.5, _binary),
    "broadcast": (1, _broadcast),
    "outer": (1, _outer), "matmul": (1.5, _matmul), "merge": (1, _merge), "split": (1, _split),
    "permute": (1, _permute), "cat": (1, _cat), "stack": (0.7, _stack), "slice": (1, _slice),
    "reduce": (1.2, _reduce), "parameter": (1.2, _parameter), "token": (0.5, _token),
    "made weight": (0.7, _made_weight), "topk": (0.2, _topk), "route": (0.3, _route),
}  # fmt: skip
