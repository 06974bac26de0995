"""From strokes to places: columns, the room between them, and their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing.links import Link
from gmn_fx.drawing.neurons.columns import BESIDE, columns
from gmn_fx.drawing.neurons.gutters import spread
from gmn_fx.drawing.neurons.layout import Layout, layout, pitch_of
from gmn_fx.drawing.neurons.lines import best_count, broken, too_long
from gmn_fx.drawing.neurons.said import written_between
from gmn_fx.drawing.neurons.shown import Shown
from gmn_fx.drawing.neurons.strokes import Drawn
from gmn_fx.drawing.neurons.tiles import Kernel, kernels_of
from gmn_fx.graph.model import ParameterGraph

Array = npt.NDArray[np.int64]

# What a bundle that leads to another row costs, in strokes; more if it goes on there, if it is a
# fan, which is hard to read on a bus, and if it has tiles, which would be lost.
_BUNDLE, _GOES_ON, _FAN, _TILES = 12.0, 6.0, 24.0, 400.0


def placed(
    graph: ParameterGraph,
    shown: Shown,
    links: Sequence[Link],
    drawn: Drawn,
    rows: int | None = None,
) -> tuple[Layout, dict[int, Kernel]]:
    """The layout, and the bundles whose kernels are tiles; rows: as for `scene_of`."""
    place = columns(graph, links)
    where = _columns_of_nodes(graph, place)
    pitch = pitch_of(graph, shown, place)
    kernels = kernels_of(graph, drawn.strokes, _steps(drawn, where), pitch)
    count = max(place.values(), default=-1) + 1
    gaps = _gaps(drawn, kernels, where, count)
    plan = layout(graph, shown, links, place, gaps, (0,) * count)
    wide, high = plan.size
    if rows == 1 or (rows is None and not too_long(wide, high)):
        return plan, kernels
    price = _crossing(graph, drawn, kernels, where, count)
    texts = {c: len(t) for c, t in written_between(graph, plan, drawn.strokes).items()}

    @cache
    def in_rows(number: int) -> Layout:
        lines = broken(plan.gaps[:-1], price, min(number, count))
        flat = layout(graph, shown, links, place, gaps, lines)
        return spread(flat, drawn.strokes, texts)

    plan_in_rows = in_rows(rows or best_count(wide, high, lambda number: in_rows(number).size))
    line = plan_in_rows.line
    inside = {s.bundle: bool((line[s.src] == line[s.dst]).all()) for s in drawn.strokes}
    return plan_in_rows, {b: k for b, k in kernels.items() if inside[b]}


def _columns_of_nodes(graph: ParameterGraph, place: Mapping[int, int]) -> Array:
    out = np.zeros(graph.num_nodes, dtype=np.int64)
    for number, group in enumerate(graph.groups):
        out[group.start : group.start + group.size] = place.get(number, 0)
    return out


def _steps(drawn: Drawn, where: Array) -> dict[int, int]:
    """How many columns the strokes of a bundle go, where that is one number."""
    found = {s.bundle: np.unique(where[s.dst] - where[s.src]) for s in drawn.strokes}
    return {bundle: int(steps[0]) for bundle, steps in found.items() if len(steps) == 1}


def _gaps(
    drawn: Drawn, kernels: Mapping[int, Kernel], where: Array, count: int
) -> dict[int, float]:
    """Room behind each column for tiles and a fan of strokes; a few parallel lines need little."""
    most = 200.0 if count <= 12 else max(110.0, 2400.0 / count)
    gaps: dict[int, float] = {}
    for one in (s for s in drawn.strokes if len(s)):
        fan = len(one) / max(1, len(np.unique(one.src)), len(np.unique(one.dst)))
        wide = min(most, 84.0 + 26.0 * fan)
        if one.bundle in kernels:
            wide += kernels[one.bundle].length
        for c in np.unique(where[one.src]).tolist():
            gaps[c] = max(gaps.get(c, 0.0), wide)
    return gaps


def _crossing(
    graph: ParameterGraph,
    drawn: Drawn,
    kernels: Mapping[int, Kernel],
    where: Array,
    count: int,
) -> list[float]:
    """What a break before each column would cost: strokes, bundles and tiles that it cuts."""
    beside = np.zeros(graph.num_nodes, dtype=bool)
    for group in graph.groups:
        beside[group.start : group.start + group.size] = group.kind in BESIDE
    change = np.zeros(count + 1)
    for one in (s for s in drawn.strokes if len(s)):
        first, last = where[one.src], where[one.dst]
        low, high = np.minimum(first, last), np.maximum(first, last)
        # Bias nodes move with what they feed.
        low = np.where(beside[one.src], np.minimum(low + 1, high), low)
        np.add.at(change, low + 1, 1.0)
        np.add.at(change, high + 1, -1.0)
        start, end = int(low.min()) + 1, int(high.max()) + 1
        if start < end:
            fan = len(one) > min(len(np.unique(one.src)), len(np.unique(one.dst)))
            price = _BUNDLE + _FAN * fan + _TILES * (one.bundle in kernels)
            change[start] += price + _GOES_ON
            change[end - 1] -= _GOES_ON
            change[end] -= price
    return np.cumsum(change)[:count].tolist()
