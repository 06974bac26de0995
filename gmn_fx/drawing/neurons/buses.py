"""Buses: strokes of a bundle that go around columns side by side, and where they run.

A bus leaves its column to the right, turns up or down in the gap behind it, runs along above or
below all that stands between, and comes into its target from the left.
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

    leaves, comes: mean height of the ends. below: runs below what it goes around. lanes: number of
    parallel ways.
    """

    first: int
    last: int
    leaves: float
    comes: float
    below: bool
    lanes: int

    @property
    def back(self) -> bool:
        """Runs to the left."""
        return self.last <= self.first

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
    """All buses; for each stroke its bus and its lane, 0 nearest to what the bus goes around."""
    keys = np.stack([plan.owner[ends.src], plan.owner[ends.dst], ends.bundle], axis=1)
    names, which = np.unique(keys, axis=0, return_inverse=True)
    which = which.reshape(-1)
    lane = plan.row[ends.dst] % LANES
    found = []
    for number, (_, group, _) in enumerate(names.tolist()):
        mine = np.flatnonzero(which == number)
        first, last = (int(plan.column[e[mine[0]]]) for e in (ends.src, ends.dst))
        rows, place = np.unique(lane[mine], return_inverse=True)
        leaves, comes = (float(e[mine, 1].mean()) for e in (ends.a, ends.b))
        found.append((group, Bus(first, last, leaves, comes, False, len(rows))))
        lane[mine] = place.reshape(-1)
    buses = _with_sides(found, plan)
    back, below, lanes = (
        np.array([getattr(b, of) for b in buses])[which] for of in ("back", "below", "lanes")
    )
    # So parallels do not cross: at both ends the outermost lane belongs to the outermost node.
    return buses, which, np.where(below != back, lane, lanes - 1 - lane)


def _with_sides(found: Sequence[tuple[int, Bus]], plan: Layout) -> list[Bus]:
    """Above or below, whatever is nearer; all ways back to one group on one side."""
    backs: dict[int, list[float]] = {}
    for group, bus in found:
        if bus.back:
            backs.setdefault(group, []).append((bus.leaves + bus.comes) / 2)
    out = []
    for group, bus in found:
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
    for k, bus in enumerate(buses):
        behind.setdefault(bus.first, []).append(k)
        before.setdefault(bus.last - 1, []).append(k)
    rank = {k: n for n, k in enumerate(_inside_out(buses))}
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
    top, bottom = plan.span(*bus.columns)
    away = bottom - bus.leaves if bus.below else bus.leaves - top
    return away, rank if bus.back else -rank


def _coming(bus: Bus, rank: int, plan: Layout) -> tuple[float, int]:
    """What ends nearer to its side turns last."""
    top, bottom = plan.span(*bus.columns)
    away = bottom - bus.comes if bus.below else bus.comes - top
    return -away, -rank if bus.back else rank


def _room(plan: Layout, gap: int, leaving: int, coming: int) -> tuple[float, float, float]:
    """X of the first track that leaves and of the first that comes, and the distance of two."""
    low, high = plan.free(gap)
    if low is None or high is None:
        start = (low or 0.0, (high or 0.0) - TRACK * max(0, coming - 1))
        return (*start, TRACK)
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
    """Height of the innermost lane of every bus: as near as what it goes around allows."""
    level = np.zeros(len(buses))
    done: dict[bool, list[tuple[float, float, float]]] = {True: [], False: []}
    for k in _inside_out(buses):
        bus, at = buses[k], tracks[k]
        wide = (bus.lanes - 1) * TRACK
        left, right = min(at.out, at.into), max(at.out, at.into) + wide
        # Heights are counted away from the columns on either side.
        depth = (plan.floor(*bus.columns) if bus.below else -plan.roof(*bus.columns)) + _CLEAR
        over = [
            deep + _STOREY for a, b, deep in done[bus.below] if a < right + LANE and left < b + LANE
        ]
        depth = max(depth, *over) if over else depth
        done[bus.below].append((left, right, depth + LANE * (bus.lanes - 1)))
        level[k] = depth if bus.below else -depth
    return level
