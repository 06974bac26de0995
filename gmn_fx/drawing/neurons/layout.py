"""Layered coordinates of our own: a column a layer, groups stacked in it, a dot a neuron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

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
# Room behind the last column of a row; distance of bias nodes from the first one.
OUTSIDE, BEFORE = 130.0, 75.0
_TALL, _TALLEST = 760.0, 1600.0


@dataclass(frozen=True)
class Frame:
    """Where one group stands: x of its nodes, y of each drawn node, y of the ellipsis if any.

    line: the row of the picture. beside: bias nodes and the like, which have no caption.
    """

    group: int
    column: int
    line: int
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

    gaps: room behind each column: the distance to the next, if that is in the same row. lines: row
    of the picture of each column. x, y, column, line, row
    (place among the drawn ones of its group), owner (its group): of every node of the graph; those
    of hidden ones mean nothing. named: inputs with names on their left, outputs with names on their
    right. gutters: height of the uppermost lane between each row and the next.
    """

    frames: dict[int, Frame]
    xs: tuple[float, ...]
    gaps: tuple[float, ...]
    lines: tuple[int, ...]
    pitch: float
    x: Numbers
    y: Numbers
    column: Array
    line: Array
    row: Array
    owner: Array
    named: tuple[set[int], set[int]]
    gutters: tuple[float, ...] = ()

    @property
    def radius(self) -> float:
        """Radius of a node's mark."""
        return min(8.0, 0.36 * self.pitch)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of all groups."""
        frames = self.frames.values()
        top = min((self.roof_of(f) for f in frames), default=0.0)
        return max(self.xs, default=0.0), max((self.floor_of(f) for f in frames), default=0.0) - top

    def beside(self, column: int) -> bool:
        """Whether the next column stands in the same row of the picture."""
        inside = 0 <= column < len(self.xs) - 1
        return inside and self.lines[column] == self.lines[column + 1]

    def room(self, column: int) -> float:
        """Distance to the nearer neighbour of a column."""
        near = [c for c in (column - 1, column) if self.beside(c)]
        return min((self.gaps[c] for c in near), default=120.0)

    def after(self, column: int) -> float:
        """X from which strokes may turn behind a column."""
        name = NAME if column in self._named_columns[1] else 0.0
        return self.xs[column] + self._keep(column) + name

    def before(self, column: int) -> float:
        """X up to which strokes may turn before a column."""
        name = NAME if column in self._named_columns[0] else 0.0
        left = min(self.xs[column], self._ahead.get(column, self.xs[column]))
        return left - self._keep(column - 1) - name

    @cached_property
    def _named_columns(self) -> tuple[set[int], set[int]]:
        inputs, outputs = ({self.frames[n].column for n in groups} for groups in self.named)
        return inputs, outputs

    @cached_property
    def _ahead(self) -> dict[int, float]:
        """X of the bias nodes before the first column of a row."""
        frames = self.frames.values()
        return {f.column + 1: f.x for f in frames if f.line != self.lines[f.column]}

    def _keep(self, gap: int) -> float:
        # Between rows nothing is scarce: strokes to another row keep clear of captions.
        rows = self.lines[-1] > 0 and not self.beside(gap)
        return self.radius + (22.0 if rows else 8.0)

    def span(self, first: int, last: int) -> tuple[float, float]:
        """Top and bottom of the nodes in columns `first` to `last`."""
        inside = self._extents[first : last + 1]
        return float(inside[:, 0].min()), float(inside[:, 1].max())

    def roof(self, first: int, last: int) -> float:
        """Top of all that stands in columns `first` to `last`, captions included."""
        return float(self._extents[first : last + 1, 2].min())

    def floor(self, first: int, last: int) -> float:
        """Bottom of all that stands in columns `first` to `last`, sizes included."""
        return float(self._extents[first : last + 1, 3].max())

    @cached_property
    def _extents(self) -> Numbers:
        """`span`, `roof` and `floor` of each column."""
        out = np.tile([np.inf, -np.inf, np.inf, -np.inf], (len(self.xs), 1))
        for frame in self.frames.values():
            if frame.line == self.lines[frame.column]:
                low, high = out[frame.column, ::2], out[frame.column, 1::2]
                np.minimum(low, [frame.top, self.roof_of(frame)], out=low)
                np.maximum(high, [frame.bottom, self.floor_of(frame)], out=high)
        return out

    def roof_of(self, frame: Frame) -> float:
        """Top of a group with its caption."""
        return frame.top - self.radius - (1.0 if frame.beside else CAPTION)

    def floor_of(self, frame: Frame) -> float:
        """Bottom of a group with its size."""
        return frame.bottom + self.radius + (5.0 if frame.ellipsis is None else 17.0)

    def lowered(self, by: Sequence[float]) -> Layout:
        """With every row of the picture further down, by so much each."""
        frames = {
            n: replace(
                f,
                ys=f.ys + by[f.line],
                ellipsis=None if f.ellipsis is None else f.ellipsis + by[f.line],
            )
            for n, f in self.frames.items()
        }
        return replace(self, frames=frames, y=self.y + np.array(by)[self.line])


def layout(
    graph: ParameterGraph,
    shown: Shown,
    links: Sequence[Link],
    place: Mapping[int, int],
    gaps: Mapping[int, float],
    lines: Sequence[int],
) -> Layout:
    """Coordinates of all groups; all rows of the picture start at the height 0.

    place: column of each group. gaps: room behind each column. lines: row of each column.
    """
    stacks: dict[int, list[int]] = {}
    for group in sorted(place):
        stacks.setdefault(place[group], []).append(group)
    pitch = pitch_of(graph, shown, place)
    main = {c: [g for g in s if graph.groups[g].kind not in BESIDE] for c, s in stacks.items()}
    tops = _tops(
        [sum(_height(graph, shown, g, pitch) for g in main[c]) for c in sorted(main)], lines
    )
    # Outside stand the names of inputs and outputs.
    wide = [*(gaps.get(c, 95.0) for c in range(len(stacks) - 1)), OUTSIDE]
    xs = _xs(lines, wide)
    into: dict[int, list[Link]] = {}
    read: dict[int, set[int]] = {}
    for link in links:
        if link.src != link.dst:
            into.setdefault(link.dst, []).append(link)
            read.setdefault(link.src, set()).add(place[link.dst])
    frames: dict[int, Frame] = {}
    centre: dict[int, float] = {}
    for c in sorted(stacks):
        y = tops[c]
        feeding = {g: into.get(g, []) for g in main[c]}
        beside = {g: read.get(g, set()) for g in stacks[c] if g not in feeding}
        frames |= _beside(shown, beside, c, xs, lines, tops)
        for group in ordered(main[c], feeding, centre):
            at = (c, lines[c]), xs[c], y
            frames[group] = _frame(graph.groups[group], group, shown, at, pitch)
            centre[group] = (frames[group].top + frames[group].bottom) / 2
            y += _height(graph, shown, group, pitch)
    nodes, named = _nodes(graph, shown, frames), named_groups(graph, links)
    return Layout(frames, xs, tuple(wide), tuple(lines), pitch, *nodes, named)


def _tops(heights: Sequence[float], lines: Sequence[int]) -> list[float]:
    """Top of each column: columns of one row have their middles at one height."""
    tallest = [0.0] * (max(lines, default=0) + 1)
    for height, line in zip(heights, lines, strict=True):
        tallest[line] = max(tallest[line], height)
    return [(tallest[line] - height) / 2 for height, line in zip(heights, lines, strict=True)]


def pitch_of(graph: ParameterGraph, shown: Shown, place: Mapping[int, int]) -> float:
    """Distance of neighbours in a column, so that the fullest column fits."""
    rows: dict[int, int] = {}
    for number, column in place.items():
        if graph.groups[number].kind not in BESIDE:
            rows[column] = rows.get(column, 0) + len(shown.rows[number])
    most = max(rows.values(), default=1)
    return min(26.0, max(9.0, _TALL / most)) if most <= 160 else max(4.0, _TALLEST / most)


def _xs(lines: Sequence[int], gaps: Sequence[float]) -> tuple[float, ...]:
    xs: list[float] = []
    for c, line in enumerate(lines):
        starts = not c or line != lines[c - 1]
        xs.append(0.0 if starts else xs[-1] + gaps[c - 1])
    return tuple(xs)


def _beside(
    shown: Shown,
    groups: Mapping[int, set[int]],
    column: int,
    xs: Sequence[float],
    lines: Sequence[int],
    tops: Sequence[float],
) -> dict[int, Frame]:
    """Bias nodes behind a column. groups: with the columns that read them."""
    if column + 1 == len(xs):
        return _above(shown, list(groups), (column, lines[column]), xs[column], tops[column])
    if lines[column + 1] == lines[column]:
        # Not in the middle: their strokes keep clear of the caption of the next column.
        x = xs[column] + 0.22 * (xs[column + 1] - xs[column])
        return _above(shown, list(groups), (column, lines[column]), x, tops[column])
    # At the end of a row they stand before what they feed, in the next one.
    ahead = [g for g, read in groups.items() if read == {column + 1}]
    others = [g for g in groups if g not in ahead]
    at, x = (column, lines[column + 1]), xs[column + 1] - BEFORE
    out = _above(shown, ahead, at, x, tops[column + 1])
    x = xs[column] + 0.22 * OUTSIDE
    return out | _above(shown, others, (column, lines[column]), x, tops[column])


def _above(
    shown: Shown, beside: Sequence[int], at: tuple[int, int], x: float, top: float
) -> dict[int, Frame]:
    """Bias nodes and constants, upwards from `top`: they move no layer. at: column and line."""
    out = {}
    y = top
    for number in reversed(beside):
        rows = len(shown.rows[number])
        ys = y - BESIDE_PITCH * np.arange(rows, 0, -1, dtype=np.float64) + 0.5 * BESIDE_PITCH
        out[number] = Frame(number, *at, x, ys, beside=True)
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
    group: Group,
    number: int,
    shown: Shown,
    at: tuple[tuple[int, int], float, float],
    pitch: float,
) -> Frame:
    """One group. at: its column and line, x and top."""
    place, x, top = at
    rows = shown.rows[number]
    ys = top + _lead(pitch) + pitch * np.arange(len(rows), dtype=np.float64)
    if not shown.hidden(number, group.size):
        return Frame(number, *place, x, ys)
    cut = int(np.flatnonzero(np.diff(rows) > 1)[0]) + 1
    ys[cut:] += ELLIPSIS * pitch
    return Frame(number, *place, x, ys, (float(ys[cut - 1]) + float(ys[cut])) / 2)


def _nodes(
    graph: ParameterGraph, shown: Shown, frames: Mapping[int, Frame]
) -> tuple[Numbers, Numbers, Array, Array, Array, Array]:
    """`x`, `y`, `column`, `line`, `row` and `owner` of a layout."""
    x, y = np.zeros(graph.num_nodes), np.zeros(graph.num_nodes)
    column, line, row, owner = (np.zeros(graph.num_nodes, dtype=np.int64) for _ in range(4))
    for number, frame in frames.items():
        nodes = graph.groups[number].start + shown.rows[number]
        x[nodes], y[nodes], owner[nodes] = frame.x, frame.ys, number
        column[nodes], line[nodes] = frame.column, frame.line
        row[nodes] = np.arange(len(nodes))
    return x, y, column, line, row, owner
