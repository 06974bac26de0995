"""Buses: strokes of a bundle that go around columns side by side, and where they run.

A bus leaves its column to the right, turns up or down in the gap behind it, runs along above or
below all that stands between, and comes into its target from the left. One that leads to another
row of the picture runs along in the gutters between the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing.neurons.ends import Ends
from gmn_fx.drawing.neurons.layout import Layout

Array = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

# Distance of parallel ways along the columns and in a gap; most of them before they share lanes.
LANE, TRACK, LANES = 4.0, 3.0, 12
# Distance of a bus from what it clears, and from another one.
_CLEAR, _STOREY = 9.0, 9.0
# Where the middle of what leaves a column stands in its gap, and of what comes in.
_OUT, _IN = 0.33, 0.67


@dataclass(frozen=True)
class Bus:
    """Strokes of one bundle from a group in column `first` to one in `last`.

    lines: rows of the picture of both. leaves, comes: mean height of the ends. below: leaves
    downwards. lanes: number of parallel ways.
    """

    first: int
    last: int
    lines: tuple[int, int]
    leaves: float
    comes: float
    below: bool
    lanes: int

    @property
    def back(self) -> bool:
        """Runs to the left."""
        return self.last <= self.first

    @property
    def far(self) -> bool:
        """Leads to another row."""
        return self.lines[0] != self.lines[1]

    @property
    def columns(self) -> tuple[int, int]:
        """The columns that it goes around; a way back runs around its own ends as well."""
        return (self.last, self.first) if self.back else (self.first + 1, self.last - 1)

    @property
    def long(self) -> int:
        """Number of columns from end to end."""
        return abs(self.last - self.first)


@dataclass(frozen=True)
class Tracks:
    """X of the upright runs of a bus: where they begin, and the distance of two."""

    out: float
    out_step: float
    into: float
    into_step: float


def buses_of(ends: Ends, plan: Layout) -> tuple[list[Bus], Array, Array]:
    """All buses; for each stroke its bus and its place among the rows of its target."""
    keys = np.stack([plan.owner[ends.src], plan.owner[ends.dst], ends.bundle], axis=1)
    names, which = np.unique(keys, axis=0, return_inverse=True)
    which = which.reshape(-1)
    place = plan.row[ends.dst] % LANES
    found = []
    order = np.argsort(which, kind="stable")
    cuts = np.searchsorted(which[order], np.arange(len(names) + 1)).tolist()
    for group, a, b in zip(names[:, 1].tolist(), cuts, cuts[1:], strict=False):
        mine = order[a:b]
        one = ends.at(mine[:1])
        first, last = int(plan.column[one.src[0]]), int(plan.column[one.dst[0]])
        lines = int(plan.line[one.src[0]]), int(plan.line[one.dst[0]])
        rows, at = np.unique(place[mine], return_inverse=True)
        leaves, comes = (float(e[mine, 1].mean()) for e in (ends.a, ends.b))
        below = lines[1] > lines[0]
        found.append((group, Bus(first, last, lines, leaves, comes, below, len(rows))))
        place[mine] = at.reshape(-1)
    return _with_sides(found, plan), which, place


def _with_sides(found: Sequence[tuple[int, Bus]], plan: Layout) -> list[Bus]:
    """Above or below, whatever is nearer; all ways back to one group on one side."""
    backs: dict[int, list[float]] = {}
    for group, bus in found:
        if bus.back and not bus.far:
            backs.setdefault(group, []).append((bus.leaves + bus.comes) / 2)
    out = []
    for group, bus in found:
        if bus.far:
            out.append(bus)
            continue
        top, bottom = plan.span(*bus.columns)
        if bus.back:
            middle = sum(backs[group]) / len(backs[group])
            below = bottom - middle <= middle - top
        else:
            # Captions stand above, so that one below has to be nearer.
            middle = (bus.leaves + bus.comes) / 2
            below = bottom - middle < 0.85 * (middle - top)
        out.append(replace(bus, below=below))
    return out


def tracks_of(buses: Sequence[Bus], plan: Layout) -> list[Tracks]:
    """Upright runs side by side in every gap, in an order in which they cross little."""
    out: dict[int, tuple[float, float]] = {}
    into: dict[int, tuple[float, float]] = {}
    behind: dict[int, list[int]] = {}
    before: dict[int, list[int]] = {}
    rank = {k: n for n, k in enumerate(_inside_out(buses))}
    for k, bus in enumerate(buses):
        behind.setdefault(bus.first, []).append(k)
        before.setdefault(bus.last - 1, []).append(k)
    for gap in sorted(behind.keys() | before.keys()):
        leaving = sorted(behind.get(gap, ()), key=lambda k: _leaving(buses[k], rank[k], plan))
        coming = sorted(before.get(gap, ()), key=lambda k: _coming(buses[k], rank[k], plan))
        wide = [sum(buses[k].lanes for k in side) for side in (leaving, coming)]
        left, right, step = _room(plan, gap, *wide)
        out |= {k: (x, step) for k, x in _spread(buses, leaving, left, step)}
        into |= {k: (x, step) for k, x in _spread(buses, coming, right, step)}
    return [Tracks(*out[k], *into[k]) for k in range(len(buses))]


def _inside_out(buses: Sequence[Bus]) -> list[int]:
    """Short ones first: long ones run around them."""
    return sorted(range(len(buses)), key=lambda k: (buses[k].long, k))


def _leaving(bus: Bus, rank: int, plan: Layout) -> tuple[float, int]:
    """What starts nearer to its side turns first; of two from one group the outer one."""
    top, bottom = plan.span(*((bus.first, bus.first) if bus.far else bus.columns))
    away = bottom - bus.leaves if bus.below else bus.leaves - top
    return away, rank if bus.back else -rank


def _coming(bus: Bus, rank: int, plan: Layout) -> tuple[float, int]:
    """What ends nearer to its side turns last."""
    top, bottom = plan.span(*((bus.last, bus.last) if bus.far else bus.columns))
    # What leaves its own row downwards comes into another one from above.
    from_below = bus.below != bus.far
    away = bottom - bus.comes if from_below else bus.comes - top
    return -away, -rank if bus.back else rank


def _room(plan: Layout, gap: int, leaving: int, coming: int) -> tuple[float, float, float]:
    """X of the first track that leaves and of the first that comes, and the distance of two."""
    low = plan.after(gap) if gap >= 0 else 0.0
    high = plan.before(gap + 1) if gap + 1 < len(plan.xs) else 0.0
    if not plan.beside(gap):
        return low, high - TRACK * max(0, coming - 1), TRACK
    step = min(TRACK, (high - low) / max(1, leaving + coming - 1))
    wide = [step * max(0, n - 1) for n in (leaving, coming)]
    left = max(low, low + _OUT * (high - low) - wide[0] / 2)
    right = min(high - wide[1], low + _IN * (high - low) - wide[1] / 2)
    if leaving and coming and right < left + wide[0] + step:
        left = min(left, high - wide[1] - step - wide[0])
        right = left + wide[0] + step
    return min(left, high - wide[0]), max(right, low), step


def _spread(
    buses: Sequence[Bus], order: Sequence[int], x: float, step: float
) -> Iterator[tuple[int, float]]:
    for k in order:
        yield k, x
        x += step * buses[k].lanes


def levels_of(buses: Sequence[Bus], tracks: Sequence[Tracks], plan: Layout) -> Numbers:
    """Height of the innermost lane of every bus that stays in its row (0 for others).

    As near as what it goes around allows.
    """
    level = np.zeros(len(buses))
    done: dict[tuple[int, bool], list[tuple[float, float, float]]] = {}
    for k in (k for k in _inside_out(buses) if not buses[k].far):
        bus, at = buses[k], tracks[k]
        wide = (bus.lanes - 1) * TRACK
        left, right = min(at.out, at.into), max(at.out, at.into) + wide
        # Heights are counted away from the columns on either side.
        depth = (plan.floor(*bus.columns) if bus.below else -plan.roof(*bus.columns)) + _CLEAR
        near = done.setdefault((bus.lines[0], bus.below), [])
        over = [deep + _STOREY for a, b, deep in near if a < right + LANE and left < b + LANE]
        depth = max(depth, *over) if over else depth
        near.append((left, right, depth + LANE * (bus.lanes - 1)))
        level[k] = depth if bus.below else -depth
    return level
