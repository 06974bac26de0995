"""Gutters: the room between two rows of a picture, where strokes lead from one to the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gmn_fx.drawing.neurons.buses import LANE, TRACK, Bus, Tracks, buses_of, levels_of, tracks_of
from gmn_fx.drawing.neurons.ends import ends_of, on_bus
from gmn_fx.drawing.neurons.layout import Layout
from gmn_fx.drawing.neurons.said import LINE
from gmn_fx.drawing.neurons.strokes import Strokes

# Distance of parallel ways in a gutter, of two buses, of both from the rows.
FINE, _STOREY, _CLEAR = 3.0, 8.0, 13.0


@dataclass(frozen=True)
class Run:
    """The part of a bus that lies in a gutter.

    start, end: x of its left track at both turns. down: leads downwards. depth: distance of its
    uppermost lane from the top of the gutter.
    """

    bus: int
    gutter: int
    start: float
    end: float
    lanes: int
    down: bool
    depth: float = 0.0

    @property
    def leftward(self) -> bool:
        """Runs to the left."""
        return self.end < self.start

    @property
    def order(self) -> tuple[int, float]:
        """From top to bottom: in this order, those that go one way do not cross."""
        return (
            2 * self.down + self.leftward,
            self.start if self.leftward == self.down else -self.start,
        )


def runs_of(buses: Sequence[Bus], tracks: Sequence[Tracks], plan: Layout) -> list[Run]:
    """Runs in all gutters: one of a bus to a neighbour row, two of others, margins between."""
    found = []
    margins = margins_of(buses, tracks, plan)
    for k, (bus, at) in enumerate(zip(buses, tracks, strict=True)):
        if not bus.far:
            continue
        start, end = bus.lines
        down = end > start
        first, last = (start, end - 1) if down else (start - 1, end)
        if first == last:
            found.append(Run(k, first, at.out, at.into, bus.lanes, down))
        else:
            found.append(Run(k, first, at.out, margins[k], bus.lanes, down))
            found.append(Run(k, last, margins[k], at.into, bus.lanes, down))
    # From the start of each bus to its end.
    return sorted(_packed(found), key=lambda r: (r.bus, r.gutter if r.down else -r.gutter))


def margins_of(buses: Sequence[Bus], tracks: Sequence[Tracks], plan: Layout) -> dict[int, float]:
    """X of the left track beside the picture, of buses that pass whole rows."""
    passing = [k for k, b in enumerate(buses) if abs(b.lines[0] - b.lines[1]) > 1]
    if not passing:
        return {}
    left = min([f.x for f in plan.frames.values()] + [t.into for t in tracks]) - 60.0
    ends = [t.out + t.out_step * b.lanes for t, b in zip(tracks, buses, strict=True)]
    right = max([*(x + 60.0 for x in plan.xs), *(x + 10.0 for x in ends)])
    out = {}
    for k in passing:
        at, wide = tracks[k], TRACK * buses[k].lanes + 6.0
        if at.out + at.into - 2 * left <= 2 * right - at.out - at.into:
            left -= wide
            out[k] = left
        else:
            out[k] = right
            right += wide
    return out


def _packed(runs: Sequence[Run]) -> list[Run]:
    """With depths: each run as high as the ones above it allow."""
    out: list[Run] = []
    for run in sorted(runs, key=lambda r: (r.gutter, r.order, r.bus)):
        over = [
            o.depth + FINE * (o.lanes - 1) + _STOREY
            for o in out
            if o.gutter == run.gutter and _meet(o, run)
        ]
        out.append(replace(run, depth=max(over, default=0.0)))
    return out


def _meet(one: Run, two: Run) -> bool:
    (a, b), (c, d) = (
        (min(r.start, r.end), max(r.start, r.end) + TRACK * r.lanes) for r in (one, two)
    )
    return a < d + FINE and c < b + FINE


def spread(plan: Layout, strokes: Sequence[Strokes], texts: Mapping[int, int]) -> Layout:
    """The rows below each other, with room for what runs between them.

    texts: lines of text that stand under the gap behind a column.
    """
    count = plan.lines[-1] + 1
    ends = ends_of(strokes, plan)
    buses, _, _ = buses_of(ends.at(np.flatnonzero(on_bus(ends, plan))), plan)
    tracks = tracks_of(buses, plan)
    top, bottom, most = [math.inf] * count, [-math.inf] * count, [0] * count
    around = [(f.line, plan.roof_of(f), plan.floor_of(f)) for f in plan.frames.values()]
    for bus, level in zip(buses, levels_of(buses, tracks, plan).tolist(), strict=True):
        far = level + LANE * (bus.lanes - 1) * (1 if bus.below else -1)
        around += [] if bus.far else [(bus.lines[0], min(level, far), max(level, far))]
    for line, high, low in around:
        top[line], bottom[line] = min(top[line], high), max(bottom[line], low)
    for column, number in texts.items():
        most[plan.lines[column]] = max(most[plan.lines[column]], number)
    room = [0.0] * count
    for run in runs_of(buses, tracks, plan):
        room[run.gutter] = max(room[run.gutter], run.depth + FINE * (run.lanes - 1))
    by, gutters = [0.0], []
    for line in range(count - 1):
        under = 6.0 + LINE * most[line] if most[line] else 0.0
        gutters.append(by[line] + bottom[line] + under + _CLEAR)
        by.append(gutters[-1] + room[line] + _CLEAR - top[line + 1])
    return replace(plan.lowered(by), gutters=tuple(gutters))
