"""The way of every stroke: straight between neighbours, on a bus around the columns between others.

A way is a chain of cubic curves: 3 k + 1 points for k curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing.neurons.buses import LANE, buses_of, levels_of, tracks_of
from gmn_fx.drawing.neurons.corners import parted, rounded
from gmn_fx.drawing.neurons.ends import Ends, ends_of
from gmn_fx.drawing.neurons.layout import Layout
from gmn_fx.drawing.neurons.strokes import Strokes

Array = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Routes:
    """For each bundle its ways, [strokes, 3 k + 1, 2], and which of them are straight.

    corners: of all ways on buses, [ways, corners, 2], with both ends.
    """

    ways: tuple[tuple[Numbers, Flags], ...]
    corners: Numbers


def routes_of(strokes: Sequence[Strokes], plan: Layout, leads: Mapping[int, float]) -> Routes:
    """The ways of all strokes; leads: length of the level run before the target, where tiles are.

    leads: by number of the bundle.
    """
    if not strokes:
        return Routes((), np.zeros((0, 6, 2)))
    ends = ends_of(strokes, plan)
    steps = plan.column[ends.dst] - plan.column[ends.src]
    single = _singles(ends, steps, plan)
    straight = (steps == 1) & (ends.twin == 0)
    bus = np.flatnonzero((steps < 0) | (steps > 1))
    corners = _corners(ends.at(bus), plan)
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
    return Routes(tuple(ways), corners)


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


def _corners(ends: Ends, plan: Layout) -> Numbers:
    """Corners of the ways on buses, with both ends."""
    out = np.zeros((len(ends.src), 6, 2))
    if not len(out):
        return out
    buses, which, lane = buses_of(ends, plan)
    tracks = tracks_of(buses, plan)
    level = levels_of(buses, tracks, plan)
    back, below, lanes = (
        np.array([getattr(b, of) for b in buses])[which] for of in ("back", "below", "lanes")
    )
    far = lanes - 1 - lane
    # The outermost lane turns first and last on the way out and back, respectively.
    turn, arrive = np.where(back, lane, far), np.where(back, far, lane)
    at = np.array([(t.out, t.out_step, t.into, t.into_step) for t in tracks])[which]
    goal = level[which] + LANE * np.where(below, lane, -lane)
    out[:, 0], out[:, 5] = ends.a, ends.b
    out[:, 1:3, 0] = (at[:, 0] + at[:, 1] * turn)[:, None]
    out[:, 3:5, 0] = (at[:, 2] + at[:, 3] * arrive)[:, None]
    out[:, 1, 1], out[:, 4, 1] = ends.a[:, 1], ends.b[:, 1]
    out[:, 2:4, 1] = goal[:, None]
    return out
