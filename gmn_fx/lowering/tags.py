"""Labels of parallel edges: which position of its neuron an element reads.

After `flatten` one channel feeds the same destination by many parameters. Each such edge needs a
label, and the label is the *function* "output position -> source position" of the element, so that
permuting channels keeps it. The movements that made the value are replayed on random numbers that
name the positions; equal rows are equal functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gmn_fx.lowering.axes import combine_keys, compress, core, cut, rank_first_seen, varying
from gmn_fx.lowering.values import Act


def position_labels(x: Act, factor: Tensor, axes: Sequence[int] | None = None) -> Tensor | None:
    """Labels along `axes` (of `factor`, if not given), or None when nothing is read twice."""
    axes = sorted(varying(factor) if axes is None else axes)
    if not axes:
        return None
    ids = cut(factor, axes).reshape(-1).numpy()
    if len(rank_first_seen(ids)[1]) == len(ids):
        return None
    tag = compress(positions(x, {}))
    rest = [a for a in range(x.dim) if a not in axes]
    moved = _whole_along(tag, axes).permute(*axes, *rest)
    rows = moved.reshape(len(ids), -1).numpy()
    classes = _classes(rows)
    if classes.max(initial=0) == 0:
        return None
    shape = [x.shape[a] if a in axes else 1 for a in range(x.dim)]
    return torch.from_numpy(classes).reshape(shape).expand(x.shape)


def _whole_along(tag: Tensor, axes: list[int]) -> Tensor:
    """`tag` whole along `axes`, without memory for the others where it is constant."""
    small = core(tag)
    shape = [tag.shape[a] if a in axes else small.shape[a] for a in range(tag.dim())]
    return small.expand(shape)


def _classes(rows: np.ndarray) -> np.ndarray:
    """Rows numbered in order of first appearance."""
    keys = combine_keys([_as_ints(rows[:, c]) for c in range(rows.shape[1])])
    return rank_first_seen(keys)[0]


def _as_ints(column: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(column).view(np.int64)


def positions(x: Act, done: dict[int, Tensor]) -> Tensor:
    """A float64 name of the source position of every element."""
    if x.uid in done:
        return done[x.uid]
    if x.origin is None:
        tag = _fresh(x)
    else:
        tags = [positions(p, done) for p in x.origin.parents]
        moved = x.origin.move(*tags)
        tag = moved if x.origin.pick is None else moved[x.origin.pick]
    done[x.uid] = tag
    return tag


def _fresh(x: Act) -> Tensor:
    """Random names along the axes on which no factor varies."""
    taken = frozenset[int]().union(*(varying(f) for f in x.factors)) if x.factors else frozenset()
    shape = [1 if a in taken else n for a, n in enumerate(x.shape)]
    generator = torch.Generator().manual_seed(0x5EED)
    return torch.rand(shape, dtype=torch.float64, generator=generator).expand(x.shape)
