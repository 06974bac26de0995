"""The way of every stroke: straight between neighbours, on a bus around the columns between others.

A way is a chain of cubic curves: 3 k + 1 points for k curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing.neurons.corners import parted, rounded
from gmn_fx.drawing.neurons.ends import Ends, ends_of, on_bus
from gmn_fx.drawing.neurons.layout import Layout
from gmn_fx.drawing.neurons.strokes import Strokes
from gmn_fx.drawing.neurons.ways import corners_of

Array = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Routes:
    """For each bundle its ways, [strokes, 3 k + 1, 2], and which of them are straight.

    runs: left, top, right, bottom of the runs of all ways on buses with some room, [4, runs].
    levels: for each row of the picture left end, right end and height of the level runs around
    its columns, [runs, 3].
    """

    ways: tuple[tuple[Numbers, Flags], ...]
    runs: Numbers
    levels: tuple[Numbers, ...]


def routes_of(strokes: Sequence[Strokes], plan: Layout, leads: Mapping[int, float]) -> Routes:
    """The ways of all strokes; leads: length of the level run before the target, where tiles are.

    leads: by number of the bundle.
    """
    if not strokes:
        return Routes((), np.zeros((4, 0)), (np.zeros((0, 3)),) * (plan.lines[-1] + 1))
    ends = ends_of(strokes, plan)
    steps = plan.column[ends.dst] - plan.column[ends.src]
    single = _singles(ends, steps, plan)
    bus = np.flatnonzero(on_bus(ends, plan))
    straight = (steps == 1) & (ends.twin == 0)
    straight[bus] = False
    corners = corners_of(ends.at(bus), plan)
    chain = rounded(corners)
    place = np.cumsum([0, *(len(s) for s in strokes)])
    cut = np.searchsorted(bus, place)
    ways = []
    for number, (first, last) in enumerate(pairwise(place.tolist())):
        mine, on = slice(first, last), slice(cut[number], cut[number + 1])
        points = single[mine]
        if number in leads:
            points = _led(ends.at(np.arange(first, last)), plan, leads[number])
            straight[mine] = False
        elif cut[number] < cut[number + 1]:
            points = parted(points, (chain.shape[1] - 1) // 3)
            points[bus[on] - first] = chain[on]
        ways.append((points, straight[mine]))
    return Routes(tuple(ways), _boxes(corners), _levels(ends.at(bus), corners, plan))


def _boxes(corners: Numbers) -> Numbers:
    low = np.minimum(corners[:, 1:], corners[:, :-1]) - 2.0
    high = np.maximum(corners[:, 1:], corners[:, :-1]) + 2.0
    return np.concatenate([low, high], axis=2).reshape(-1, 4).T.copy()


def _levels(ends: Ends, corners: Numbers, plan: Layout) -> tuple[Numbers, ...]:
    start, end = plan.line[ends.src], plan.line[ends.dst]
    runs = np.stack(
        [corners[:, 2:-2, 0].min(axis=1), corners[:, 2:-2, 0].max(axis=1), corners[:, 2, 1]], axis=1
    )
    return tuple(runs[(start == line) & (end == line)] for line in range(plan.lines[-1] + 1))


def _singles(ends: Ends, steps: Array, plan: Layout) -> Numbers:
    """Ways of one curve: lines, twins of lines, loops, bows within a column."""
    a, b = ends.a, ends.b
    shift = (ends.twin + 1) // 2 * np.where(ends.twin % 2, -9.0, 9.0)
    up = np.stack([np.zeros_like(shift), shift], axis=1)
    points = np.stack([a, a + (b - a) / 3 + up, a + 2 * (b - a) / 3 + up, b], axis=1)
    loop = ends.src == ends.dst
    for chosen, make in ((loop, _loops), ((steps == 0) & ~loop, _bows)):
        rows = np.flatnonzero(chosen)
        if len(rows):
            points[rows, 1], points[rows, 2] = make(ends.at(rows), plan)
    return points


def _loops(ends: Ends, plan: Layout) -> tuple[Numbers, Numbers]:
    reach = 3.2 * plan.radius + 4.0 * ends.twin
    return ends.a + np.stack([-reach, -reach], axis=1), ends.a + np.stack([reach, -reach], axis=1)


def _bows(ends: Ends, plan: Layout) -> tuple[Numbers, Numbers]:
    """Between two groups of one column: out to the right and back."""
    room = np.array([plan.room(int(c)) for c in plan.column[ends.src]])
    out = np.stack([0.35 * room + 4.0 * ends.twin, np.zeros(len(room))], axis=1)
    return ends.a + out, ends.b + out


def _led(ends: Ends, plan: Layout, lead: float) -> Numbers:
    """Straight to where the tiles begin, then level through them."""
    before = ends.b - np.array([lead + plan.radius + 4.0, 0.0])
    first, second = before - ends.a, ends.b - before
    return np.stack(
        [ends.a, ends.a + first / 3, ends.a + 2 * first / 3, before,
         before + second / 3, before + 2 * second / 3, ends.b], axis=1,
    )  # fmt: skip
