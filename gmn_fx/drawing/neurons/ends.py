"""Both ends of strokes: which nodes, where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing.neurons.layout import Layout
from gmn_fx.drawing.neurons.strokes import Strokes

Array = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Ends:
    """Node ids and positions of both ends; number of the bundle; earlier strokes of equal ends."""

    src: Array
    dst: Array
    a: Numbers
    b: Numbers
    bundle: Array
    twin: Array

    def at(self, rows: Array) -> Ends:
        """Those of some strokes."""
        return Ends(
            self.src[rows], self.dst[rows], self.a[rows], self.b[rows],
            self.bundle[rows], self.twin[rows],
        )  # fmt: skip


def ends_of(strokes: Sequence[Strokes], plan: Layout) -> Ends:
    """The ends of all strokes, bundle by bundle."""
    src = np.concatenate([s.src for s in strokes])
    dst = np.concatenate([s.dst for s in strokes])
    bundle = np.repeat(np.arange(len(strokes)), [len(s) for s in strokes])
    a, b = (np.stack([plan.x[e], plan.y[e]], axis=1) for e in (src, dst))
    return Ends(src, dst, a, b, bundle, _twins(src, dst))


def on_bus(ends: Ends, plan: Layout) -> Flags:
    """Strokes that cannot run straight: not to the next column, or to another row."""
    steps = plan.column[ends.dst] - plan.column[ends.src]
    return (steps < 0) | (steps > 1) | (plan.line[ends.dst] != plan.line[ends.src])


def _twins(src: Array, dst: Array) -> Array:
    """How many earlier strokes have the same ends."""
    if not len(src):
        return src
    key = src * (int(dst.max()) + 1) + dst
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    start = np.maximum.accumulate(np.where(first, np.arange(len(key)), 0))
    twins = np.empty(len(key), dtype=np.int64)
    twins[order] = np.arange(len(key)) - start
    return twins
