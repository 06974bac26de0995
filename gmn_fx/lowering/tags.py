"""Labels of parallel edges: which position of its neuron an element reads.

After `flatten` one channel feeds the same destination by many parameters. Each such edge needs a
label, and the label is the *function* "output position -> source position" of the element, so that
permuting channels keeps it. The movements that made the value are replayed on random numbers that
name the positions; equal rows are equal functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gmn_fx.graph.indexmap import distinct
from gmn_fx.lowering.axes import compress, core, cut, rank_first_seen, rank_rows, varying
from gmn_fx.lowering.values import Act


def position_labels(x: Act, factor: Tensor, axes: Sequence[int] | None = None) -> Tensor | None:
    """Labels along `axes` (of `factor`, if not given), or None when nothing is read twice.

    Along an axis of positions an element reads its own position: that needs no label.
    """
    axes = sorted(varying(factor) - varying(x.pos) if axes is None else axes)
    if not axes:
        return None
    ids = cut(factor, axes).reshape(-1).numpy()
    if len(rank_first_seen(ids)[1]) == len(ids):
        return None
    tag = positions(x, {})
    told = [a for a in axes if a in varying(tag)]
    if not told:
        return None
    rest = [a for a in range(x.dim) if a not in told]
    moved = _whole_along(tag, told).permute(*told, *rest)
    rows = moved.reshape(math.prod(x.shape[a] for a in told), -1).numpy()
    classes = _classes(rows)
    if classes.max(initial=0) == 0:
        return None
    shape = [x.shape[a] if a in told else 1 for a in range(x.dim)]
    return torch.from_numpy(classes).reshape(shape).expand(x.shape)


def _whole_along(tag: Tensor, axes: list[int]) -> Tensor:
    """`tag` whole along `axes`, without memory for the others where it is constant."""
    small = core(tag)
    shape = [tag.shape[a] if a in axes else small.shape[a] for a in range(tag.dim())]
    return small.expand(shape)


def _classes(rows: np.ndarray) -> np.ndarray:
    """Rows numbered in order of first appearance."""
    return rank_rows(np.ascontiguousarray(rows).view(np.int64))[0]


def edge_labels(edges: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """One label an edge, from the labels of the elements that the edge stands for.

    `edges[i]` is the edge (numbered from 0) of element i, `labels[i]` the position that the
    element reads. An edge over many positions (a batch, a sequence) is told apart by the *set* of
    them; None if all sets are equal, because then nothing is told apart.
    """
    count = int(labels.max(initial=0)) + 1
    pairs = distinct(edges * np.int64(count) + labels)
    words = np.random.default_rng(0x5EED).integers(1, 2**62, size=count)
    sets = np.zeros(int(edges.max(initial=-1)) + 1, dtype=np.int64)
    with np.errstate(over="ignore"):
        np.add.at(sets, pairs // count, words[pairs % count])
    classes, _ = rank_first_seen(sets)
    return classes if classes.any() else None


def positions(x: Act, done: dict[int, Tensor]) -> Tensor:
    """A float64 name of the source position of every element."""
    if x.uid in done:
        return done[x.uid]
    if x.origin is None:
        tag = _fresh(x)
    else:
        tags = [positions(p, done) for p in x.origin.parents]
        moved = x.origin.move(*tags)
        tag = compress(moved if x.origin.pick is None else moved[x.origin.pick])
    done[x.uid] = tag
    return tag


def _fresh(x: Act) -> Tensor:
    """Random names along the axes on which no factor varies; one name for one number everywhere."""
    shape = [1 if a in x.axes or x.uniform else n for a, n in enumerate(x.shape)]
    generator = torch.Generator().manual_seed(0x5EED)
    return torch.rand(shape, dtype=torch.float64, generator=generator).expand(x.shape)
