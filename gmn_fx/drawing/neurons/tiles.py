"""Kernels as small tiles: parallel edges at all positions of a kernel, one cell each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gmn_fx.drawing.neurons.strokes import Strokes
from gmn_fx.graph.model import Bundle, ParameterGraph

# Side of a cell in pixels; kernels with more cells than this along an axis are not drawn.
CELL, LONGEST = 3.0, 7
# Most tiles of one picture, longest row of them, distance between two.
MOST, LONGEST_ROW, SPACE = 600, 210.0, 3.5


@dataclass(frozen=True)
class Kernel:
    """Tiles of one bundle, in a row before each target: `lane` of each stroke, of `lanes`."""

    rows: int
    cols: int
    lane: tuple[int, ...]
    lanes: int

    @property
    def width(self) -> float:
        """Width of a tile in pixels."""
        return CELL * self.cols

    @property
    def height(self) -> float:
        """Height of a tile in pixels."""
        return CELL * self.rows

    @property
    def length(self) -> float:
        """Length of a row of tiles."""
        return (self.width + SPACE) * self.lanes

    def left(self, stroke: int) -> float:
        """Left end of a stroke's tile, from the left end of its row."""
        return (self.width + SPACE) * self.lane[stroke]


def kernels_of(
    graph: ParameterGraph, strokes: Sequence[Strokes], steps: Mapping[int, int], pitch: float
) -> dict[int, Kernel]:
    """The bundles whose kernels are drawn as tiles: those where they fit, if all in all they do.

    Args:
        graph: the graph.
        strokes: of every bundle.
        steps: bundle number -> columns from its source to its target, where that is one number.
        pitch: distance of neighbours in a column.
    """
    out: dict[int, Kernel] = {}
    for one in strokes:
        grid = grid_of(graph.bundles[one.bundle])
        if not grid or steps.get(one.bundle) != 1 or max(grid) > LONGEST:
            continue
        if not len(one) or (one.count != math.prod(grid)).any():
            continue
        _, lane = np.unique(one.src, return_inverse=True)
        if len(np.unique(one.dst)) == len(one):
            # One kernel a target: all of them in one column.
            lane = np.zeros_like(lane)
        kernel = Kernel(*grid, tuple(lane.reshape(-1).tolist()), int(lane.max()) + 1)
        if kernel.length <= LONGEST_ROW and kernel.height + 3 <= pitch:
            out[one.bundle] = kernel
    return out if sum(len(k.lane) for k in out.values()) <= MOST else {}


def grid_of(bundle: Bundle) -> tuple[int, int] | None:
    """Rows and columns of the kernel of a bundle; None without parallel edges.

    The axes along which the ends stay and the parameter varies are the kernel.
    """
    if bundle.slot is None or bundle.view is None:
        return None
    maps = [m.expand(bundle.shape) for m in (bundle.src, bundle.dst, bundle.view)]
    sizes = [
        n
        for n, src, dst, view in zip(bundle.shape, *(m.strides for m in maps), strict=True)
        if n > 1 and view and not src and not dst
    ]
    if not sizes:
        return None
    return math.prod(sizes[:-1]), sizes[-1]
