"""Layered coordinates of our own: a column a layer, groups stacked in it, a dot a neuron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing.links import Link
from gmn_fx.drawing.neurons.columns import BESIDE, named_groups, ordered
from gmn_fx.drawing.neurons.shown import Shown
from gmn_fx.graph.model import Group, ParameterGraph

Numbers = npt.NDArray[np.float64]
Array = npt.NDArray[np.int64]

# Room above a group for its caption; under a group with hidden neurons for its size.
CAPTION = 17.0
# Room of the ellipsis between the first and the last neurons, in pitches.
ELLIPSIS = 1.9
# Distance of bias nodes above each other.
BESIDE_PITCH = 15.0
# Room of `out 12` beside a node.
NAME = 42.0
_TALL, _TALLEST = 760.0, 1600.0


@dataclass(frozen=True)
class Frame:
    """Where one group stands: x of its nodes, y of each drawn node, y of the ellipsis if any.

    beside: bias nodes and the like, which have no caption.
    """

    group: int
    column: int
    x: float
    ys: Numbers
    ellipsis: float | None = None
    beside: bool = False

    @property
    def top(self) -> float:
        """Y of the first node."""
        return float(self.ys[0])

    @property
    def bottom(self) -> float:
        """Y of the last node."""
        return float(self.ys[-1])


@dataclass(frozen=True)
class Layout:
    """Frames by group number; x of the columns; pitch: distance of neighbours in a column.

    x, y, column, row (place among the drawn ones of its group), owner (its group): of every node
    of the graph; those of hidden ones mean nothing. named: columns with names of inputs on their
    left, and with names of outputs on their right.
    """

    frames: dict[int, Frame]
    xs: tuple[float, ...]
    pitch: float
    height: float
    x: Numbers
    y: Numbers
    column: Array
    row: Array
    owner: Array
    named: tuple[frozenset[int], frozenset[int]]

    @property
    def radius(self) -> float:
        """Radius of a node's mark."""
        return min(8.0, 0.36 * self.pitch)

    def room(self, column: int) -> float:
        """Distance to the nearer neighbour of a column."""
        gaps = [b - a for a, b in zip(self.xs, self.xs[1:], strict=False)]
        near = gaps[max(0, column - 1) : column + 1]
        return min(near, default=120.0)

    def gap(self, column: int) -> float:
        """Distance from a column to the next."""
        inside = 0 <= column < len(self.xs) - 1
        # Outside stand the names of inputs and outputs.
        return self.xs[column + 1] - self.xs[column] if inside else 130.0

    def free(self, gap: int) -> tuple[float | None, float | None]:
        """From where to where strokes may turn behind column `gap`; None: there is no end."""
        keep = self.radius + 8.0
        left = right = None
        if gap >= 0:
            left = self.xs[gap] + keep + (NAME if gap in self.named[1] else 0.0)
        if gap + 1 < len(self.xs):
            right = self.xs[gap + 1] - keep - (NAME if gap + 1 in self.named[0] else 0.0)
        return left, right

    def span(self, first: int, last: int) -> tuple[float, float]:
        """Top and bottom of the frames in columns `first` to `last`."""
        inside = [f for f in self.frames.values() if first <= f.column <= last]
        tops = [f.top for f in inside]
        return min(tops, default=0.0), max((f.bottom for f in inside), default=self.height)

    def roof(self, first: int, last: int) -> float:
        """Top of all that stands in columns `first` to `last`, captions included."""
        inside = [f for f in self.frames.values() if first <= f.column <= last]
        tops = [f.top - self.radius - (1.0 if f.beside else CAPTION) for f in inside]
        return min(tops, default=0.0)

    def floor(self, first: int, last: int) -> float:
        """Bottom of all that stands in columns `first` to `last`, sizes included."""
        inside = [f for f in self.frames.values() if first <= f.column <= last]
        ends = [f.bottom + self.radius + (5.0 if f.ellipsis is None else 17.0) for f in inside]
        return max(ends, default=self.height)


def layout(
    graph: ParameterGraph,
    shown: Shown,
    links: Sequence[Link],
    place: Mapping[int, int],
    gaps: Mapping[int, float],
) -> Layout:
    """Coordinates of all groups. place: column of each group; gaps: room behind each column."""
    stacks: dict[int, list[int]] = {}
    for group in sorted(place):
        stacks.setdefault(place[group], []).append(group)
    pitch = pitch_of(graph, shown, place)
    main = {c: [g for g in s if graph.groups[g].kind not in BESIDE] for c, s in stacks.items()}
    heights = {c: sum(_height(graph, shown, g, pitch) for g in s) for c, s in main.items()}
    tallest = max(heights.values(), default=0.0)
    xs = _xs(len(stacks), gaps)
    into: dict[int, list[Link]] = {}
    for link in links:
        if link.src != link.dst:
            into.setdefault(link.dst, []).append(link)
    frames: dict[int, Frame] = {}
    centre: dict[int, float] = {}
    for c in sorted(stacks):
        y = (tallest - heights[c]) / 2
        feeding = {g: into.get(g, []) for g in main[c]}
        beside = [g for g in stacks[c] if g not in feeding]
        frames |= _above(shown, beside, c, _between(xs, c), y)
        for group in ordered(main[c], feeding, centre):
            frames[group] = _frame(graph.groups[group], group, shown, c, xs[c], y, pitch)
            centre[group] = (frames[group].top + frames[group].bottom) / 2
            y += _height(graph, shown, group, pitch)
    inputs, outputs = (frozenset(place[g] for g in s) for s in named_groups(graph, links))
    nodes = _nodes(graph, shown, frames)
    return Layout(frames, xs, pitch, tallest, *nodes, named=(inputs, outputs))


def pitch_of(graph: ParameterGraph, shown: Shown, place: Mapping[int, int]) -> float:
    """Distance of neighbours in a column, so that the fullest column fits."""
    rows: dict[int, int] = {}
    for number, column in place.items():
        if graph.groups[number].kind not in BESIDE:
            rows[column] = rows.get(column, 0) + len(shown.rows[number])
    most = max(rows.values(), default=1)
    return min(26.0, max(9.0, _TALL / most)) if most <= 160 else max(4.0, _TALLEST / most)


def _xs(count: int, gaps: Mapping[int, float]) -> tuple[float, ...]:
    xs = [0.0]
    for c in range(count - 1):
        xs.append(xs[-1] + gaps.get(c, 95.0))
    return tuple(xs)


def _between(xs: Sequence[float], column: int) -> float:
    """X of the bias nodes behind a column: their strokes keep clear of its caption."""
    return xs[column] + 0.22 * (xs[column + 1] - xs[column]) if column + 1 < len(xs) else xs[column]


def _above(
    shown: Shown, beside: Sequence[int], column: int, x: float, top: float
) -> dict[int, Frame]:
    """Bias nodes and constants, upwards from `top`: they move no layer."""
    out = {}
    y = top
    for number in reversed(beside):
        rows = len(shown.rows[number])
        ys = y - BESIDE_PITCH * np.arange(rows, 0, -1, dtype=np.float64) + 0.5 * BESIDE_PITCH
        out[number] = Frame(number, column, x, ys, beside=True)
        y -= BESIDE_PITCH * rows + 3
    return out


def _lead(pitch: float) -> float:
    """Room above the first node of a group."""
    return 0.6 * pitch + CAPTION


def _height(graph: ParameterGraph, shown: Shown, number: int, pitch: float) -> float:
    rows, group = len(shown.rows[number]), graph.groups[number]
    more = ELLIPSIS * pitch + CAPTION if shown.hidden(number, group.size) else 0.0
    return _lead(pitch) + rows * pitch + more


def _frame(
    group: Group, number: int, shown: Shown, column: int, x: float, top: float, pitch: float
) -> Frame:
    rows = shown.rows[number]
    ys = top + _lead(pitch) + pitch * np.arange(len(rows), dtype=np.float64)
    if not shown.hidden(number, group.size):
        return Frame(number, column, x, ys)
    cut = int(np.flatnonzero(np.diff(rows) > 1)[0]) + 1
    ys[cut:] += ELLIPSIS * pitch
    return Frame(number, column, x, ys, (float(ys[cut - 1]) + float(ys[cut])) / 2)


def _nodes(
    graph: ParameterGraph, shown: Shown, frames: Mapping[int, Frame]
) -> tuple[Numbers, Numbers, Array, Array, Array]:
    """`x`, `y`, `column`, `row` and `owner` of a layout."""
    x, y = np.zeros(graph.num_nodes), np.zeros(graph.num_nodes)
    column, row, owner = (np.zeros(graph.num_nodes, dtype=np.int64) for _ in range(3))
    for number, frame in frames.items():
        nodes = graph.groups[number].start + shown.rows[number]
        x[nodes], y[nodes], column[nodes], owner[nodes] = frame.x, frame.ys, frame.column, number
        row[nodes] = np.arange(len(nodes))
    return x, y, column, row, owner
