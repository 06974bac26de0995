"""The way of every stroke: straight between neighbours, on a bus around the columns between others.

A way is a chain of cubic curves: 3 k + 1 points for k curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing.neurons.layout import CAPTION, Layout
from gmn_fx.drawing.neurons.strokes import Strokes

Array = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Distance of parallel ways on a bus, and the most of them before they share lanes.
LANE, LANES = 4.0, 12
# Distance between two buses that lie over each other.
_STOREY = 10.0


@dataclass(frozen=True)
class _Ends:
    """Both ends of strokes: node ids, positions; number of the bundle; earlier twins."""

    src: Array
    dst: Array
    a: Numbers
    b: Numbers
    bundle: Array
    twin: Array

    def at(self, rows: Array) -> _Ends:
        return _Ends(
            self.src[rows], self.dst[rows], self.a[rows], self.b[rows],
            self.bundle[rows], self.twin[rows],
        )  # fmt: skip


def routes_of(
    strokes: Sequence[Strokes], plan: Layout, leads: Mapping[int, float]
) -> list[tuple[Numbers, Flags]]:
    """For each bundle its ways, [strokes, 4 or 10, 2], and which of them are straight.

    leads: length of the level run before the target, of bundles with tiles.
    """
    if not strokes:
        return []
    src = np.concatenate([s.src for s in strokes])
    dst = np.concatenate([s.dst for s in strokes])
    bundle = np.repeat(np.arange(len(strokes)), [len(s) for s in strokes])
    a = np.stack([plan.x[src], plan.y[src]], axis=1)
    b = np.stack([plan.x[dst], plan.y[dst]], axis=1)
    ends = _Ends(src, dst, a, b, bundle, _twins(src, dst))
    points, straight, bus = _ways(ends, plan)
    for number, lead in leads.items():
        mine = bundle == number
        points[mine, 1:9] = _led(ends.at(mine), plan, lead)
        straight[mine], bus[mine] = False, True
    out = []
    cuts = np.cumsum([0, *(len(s) for s in strokes)])
    for first, last in pairwise(cuts.tolist()):
        mine = points[first:last]
        out.append((mine if bus[first:last].any() else mine[:, [0, 1, 2, 9]],
                    straight[first:last]))  # fmt: skip
    return out


def on_way(points: Numbers, t: float) -> Numbers:
    """Points of ways, [..., 3 k + 1, 2] -> [..., 2]; t from 0 to 1 along the chain."""
    curves = (points.shape[-2] - 1) // 3
    which = min(curves - 1, int(t * curves))
    t = t * curves - which
    weights = np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
    curve = points[..., 3 * which : 3 * which + 4, :]
    return np.asarray(np.einsum("k,...kx->...x", weights, curve))


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


def _ways(ends: _Ends, plan: Layout) -> tuple[Numbers, Flags, Flags]:
    """All as [strokes, 10, 2]; single curves have their control points at 1 and 2."""
    a, b = ends.a, ends.b
    steps = plan.column[ends.dst] - plan.column[ends.src]
    shift = (ends.twin + 1) // 2 * np.where(ends.twin % 2, -9.0, 9.0)
    up = np.stack([np.zeros_like(shift), shift], axis=1)
    points = np.zeros((len(a), 10, 2))
    points[:, 0], points[:, 9] = a, b
    points[:, 1], points[:, 2] = a + (b - a) / 3 + up, a + 2 * (b - a) / 3 + up
    loop = ends.src == ends.dst
    bow = (steps == 0) & ~loop
    for chosen, make in ((loop, _loops), (bow, _bows)):
        rows = np.flatnonzero(chosen)
        if len(rows):
            points[rows, 1], points[rows, 2] = make(ends.at(rows), plan)
    bus = (steps < 0) | (steps > 1)
    rows = np.flatnonzero(bus)
    if len(rows):
        points[rows, 1:9] = _buses(ends.at(rows), plan)
    mixed = np.isin(ends.bundle, np.unique(ends.bundle[rows])) & ~bus
    points[mixed] = _in_three(points[mixed])
    return points, (steps == 1) & (ends.twin == 0), bus


def _in_three(points: Numbers) -> Numbers:
    """Single curves as three in a row."""
    single = points[:, [0, 1, 2, 9]]
    out = np.zeros_like(points)
    for k in range(3):
        p, q = (on_way(single, t) for t in (k / 3, (k + 1) / 3))
        into, from_ = (_slope(single, t) / 9 for t in (k / 3, (k + 1) / 3))
        out[:, 3 * k], out[:, 3 * k + 3] = p, q
        out[:, 3 * k + 1], out[:, 3 * k + 2] = p + into, q - from_
    return out


def _slope(single: Numbers, t: float) -> Numbers:
    sides = single[:, 1:] - single[:, :-1]
    weights = np.array([3 * (1 - t) ** 2, 6 * t * (1 - t), 3 * t * t])
    return np.asarray(np.einsum("k,nkx->nx", weights, sides))


def _loops(ends: _Ends, plan: Layout) -> tuple[Numbers, Numbers]:
    reach = 3.2 * plan.radius + 4.0 * ends.twin
    return ends.a + np.stack([-reach, -reach], axis=1), ends.a + np.stack([reach, -reach], axis=1)


def _bows(ends: _Ends, plan: Layout) -> tuple[Numbers, Numbers]:
    """Between two groups of one column: out to the right and back."""
    room = np.array([plan.room(int(c)) for c in plan.column[ends.src]])
    out = np.stack([0.35 * room + 4.0 * ends.twin, np.zeros(len(room))], axis=1)
    return ends.a + out, ends.b + out


def _buses(ends: _Ends, plan: Layout) -> Numbers:
    """Points 1 to 8: up or down in the gap behind the source, along, back before the target.

    Forward ways take the nearer side of what lies between, backward ones pass below.
    """
    first, second = plan.column[ends.src], plan.column[ends.dst]
    goal, down = _heights(ends, first, second, plan)
    lane = _lanes(ends, plan, down)
    sign = np.where(second > first, 1.0, -1.0)
    near = np.array([plan.gap(int(c)) for c in first])
    far = np.array([plan.gap(int(c) - 1) for c in second])
    # Backward ways leave to the right and come in from the left, as all others do.
    turn = ends.a[:, 0] + near * 0.6 - 1.5 * lane
    back = ends.b[:, 0] - far * 0.6 + 1.5 * lane
    swing = 0.5 * near * np.where(sign > 0, 1.0, 0.6)
    other = 0.5 * far * np.where(sign > 0, 1.0, 0.6)
    # Backward ones keep level for long near their ends, clear of names beside the nodes there.
    leave, arrive = (
        np.where(sign > 0, level, wide)
        for level, wide in ((swing, 0.75 * near), (other, 0.75 * far))
    )
    out = np.zeros((len(goal), 8, 2))
    out[:, 0] = ends.a + np.stack([leave, np.zeros_like(leave)], axis=1)
    out[:, 1] = np.stack([turn - sign * swing, goal], axis=1)
    out[:, 2] = np.stack([turn, goal], axis=1)
    out[:, 3] = np.stack([turn + (back - turn) / 3, goal], axis=1)
    out[:, 4] = np.stack([back - (back - turn) / 3, goal], axis=1)
    out[:, 5] = np.stack([back, goal], axis=1)
    out[:, 6] = np.stack([back + sign * other, goal], axis=1)
    out[:, 7] = ends.b - np.stack([arrive, np.zeros_like(arrive)], axis=1)
    return out


def _led(ends: _Ends, plan: Layout, lead: float) -> Numbers:
    """Points 1 to 8: straight to where the tiles begin, then level through them."""
    before = ends.b - np.array([lead + plan.radius + 4.0, 0.0])
    out = np.zeros((len(before), 8, 2))
    out[:, 0], out[:, 1] = ends.a + (before - ends.a) / 3, ends.a + 2 * (before - ends.a) / 3
    out[:, 2] = before
    for k in range(3, 8):
        out[:, k] = before + (ends.b - before) * (k - 2) / 6
    return out


def _heights(ends: _Ends, first: Array, second: Array, plan: Layout) -> tuple[Numbers, Flags]:
    """Height of the bus of each stroke, and whether it passes below."""
    ways = np.stack([first, second, ends.bundle], axis=1)
    buses, which = np.unique(ways, axis=0, return_inverse=True)
    which = which.reshape(-1)
    limits, below = [], []
    for number, (c, d, _) in enumerate(buses.tolist()):
        mine = which == number
        # A way back runs in front of both of its ends, so those count as being between.
        top, bottom = plan.span(min(c, d) + (d > c), max(c, d) - (d > c))
        middle = float((ends.a[mine, 1].mean() + ends.b[mine, 1].mean()) / 2)
        limits.append((top, bottom))
        below.append(d < c or bottom - middle < 0.7 * (middle - top))
    down, limit = np.array(below), np.array(limits)
    wide = np.array(
        [len(np.unique(plan.row[ends.dst[which == n]] % LANES)) for n in range(len(buses))]
    )
    rise = _storeys([tuple(b) for b in buses[:, :2].tolist()], below, wide)
    lane = LANE * (_lanes(ends, plan, down[which]) + ends.twin)
    clear = plan.radius + CAPTION + 6 + lane + rise[which]
    goal = np.where(down[which], limit[which, 1] + clear, limit[which, 0] - clear)
    return goal, down[which]


def _lanes(ends: _Ends, plan: Layout, down: Flags) -> Array:
    """Lane of each stroke on its bus, the outer ones for the outer rows: parallels do not cross."""
    row = plan.row[ends.dst] % LANES
    most = np.zeros(int(ends.bundle.max()) + 1, dtype=np.int64)
    np.maximum.at(most, ends.bundle, row)
    return np.where(down, row, most[ends.bundle] - row)


def _storeys(spans: Sequence[tuple[int, ...]], below: Sequence[bool], wide: Array) -> Numbers:
    """Height of each bus over the lowest: those that it passes over come first."""
    order = sorted(range(len(spans)), key=lambda k: abs(spans[k][1] - spans[k][0]))
    rise = np.zeros(len(spans))
    done: list[int] = []
    for k in order:
        low, high = min(spans[k]), max(spans[k])
        under = [
            rise[j] + LANE * wide[j] + _STOREY
            for j in done
            if below[j] == below[k] and min(spans[j]) < high and low < max(spans[j])
        ]
        rise[k] = max(under, default=0.0)
        done.append(k)
    return rise
