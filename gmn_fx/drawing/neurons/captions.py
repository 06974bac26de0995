"""Text on the picture: captions of groups, names of inputs and outputs, what was left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing.fold import ALWAYS_SHOWN
from gmn_fx.drawing.neurons.columns import BESIDE
from gmn_fx.drawing.neurons.layout import Layout
from gmn_fx.drawing.neurons.measure import text_width
from gmn_fx.drawing.neurons.parts import Bunch, Label, Point
from gmn_fx.drawing.neurons.route import Routes
from gmn_fx.drawing.neurons.said import LINE, written_between
from gmn_fx.drawing.neurons.shown import Shown
from gmn_fx.drawing.neurons.strokes import Drawn
from gmn_fx.drawing.roles import input_title
from gmn_fx.drawing.text import nodes, tail
from gmn_fx.graph.model import Group, ParameterGraph

Numbers = npt.NDArray[np.float64]

# Size of what happened on the way.
_SMALL = 8.5
# How far it may reach under the nodes beside it.
_OVER = 16.0


def title(group: Group) -> str:
    """What a group is called on a picture."""
    # The name of an input is the argument's, no module's.
    name = "" if group.kind in ALWAYS_SHOWN else group.name
    # Children of nn.Sequential are called `0`, `1`, ...
    return f"{group.op} {name}".strip() if name.isdigit() else name or group.op or group.kind


def labels(
    graph: ParameterGraph,
    shown: Shown,
    plan: Layout,
    bunches: Sequence[Bunch],
    routes: Routes,
) -> list[Label]:
    """All text on the picture."""
    return [
        *_captions(graph, shown, plan),
        *_ends(graph, shown, plan),
        *_between(graph, plan, bunches, routes),
    ]


def _captions(graph: ParameterGraph, shown: Shown, plan: Layout) -> list[Label]:
    """The name above every group; its size under it where neurons are hidden."""
    out = []
    named = [graph.groups[n] for n in plan.frames if graph.groups[n].kind not in BESIDE]
    shared = Counter(map(title, named))
    for number, frame in plan.frames.items():
        group = graph.groups[number]
        if group.kind in BESIDE:
            continue
        room = max(6, int(plan.room(frame.column) / 5.2))
        name = input_title(graph, group) if group.kind in ALWAYS_SHOWN else title(group)
        # Several groups of one module: what made them tells them apart.
        twin = shared[name] > 1 and group.op and group.op not in name
        text = tail(f"{name} {group.op}" if twin else name, room)
        out.append(Label(text, (frame.x, frame.top - plan.radius - 9)))
        if frame.ellipsis is not None:
            said = nodes(group.size, group.kind)
            out.append(Label(said, (frame.x, frame.bottom + plan.radius + 16), pale=True))
            out += [
                Label(
                    "·", (frame.x, frame.ellipsis + 4 + 0.42 * k * plan.pitch), size=16, bold=True
                )
                for k in (-1, 0, 1)
            ]
    return out


def _ends(graph: ParameterGraph, shown: Shown, plan: Layout) -> list[Label]:
    """`in 0`, `out 0`."""
    out = []
    inputs, outputs = plan.named
    step = max(1, round(11.0 / plan.pitch + 0.4))
    for number, frame in plan.frames.items():
        group = graph.groups[number]
        if number not in inputs | outputs:
            continue
        given = group.label.expand((group.size,)).array()
        word, side, anchor = ("in", -1, "end") if number in inputs else ("out", 1, "start")
        for k, y in list(zip(shown.rows[number].tolist(), frame.ys.tolist(), strict=True))[::step]:
            if given[k] >= 0:
                at = (frame.x + side * (plan.radius + 10), y + 3.5)
                out.append(Label(f"{word} {given[k]}", at, anchor, 10.0))
    return out


def _between(
    graph: ParameterGraph, plan: Layout, bunches: Sequence[Bunch], routes: Routes
) -> list[Label]:
    """Under the strokes of a bundle: `after relu`, and how many are drawn where not all are."""
    out = []
    for c, lines in written_between(graph, plan, [b.strokes for b in bunches]).items():
        x, y = _room_under(plan, c, routes, lines)
        out += [
            Label(text, (x, y + LINE * k), size=_SMALL, pale=True) for k, text in enumerate(lines)
        ]
    return out


def _room_under(plan: Layout, first: int, routes: Routes, lines: Sequence[str]) -> Point:
    """Where lines of text stand: right under the nodes, or else under the buses there."""
    left = plan.xs[first]
    right = left + plan.gaps[first]
    last = first + 1 if plan.beside(first) else first
    middle, y = (left + right) / 2, plan.floor(first, last) + 13.0
    half = max((text_width(line, _SMALL) for line in lines), default=0.0) / 2
    bottom = y + LINE * (len(lines) - 1) + 3
    free = max(0.0, (right - left) / 2 - half) + _OVER
    asides = [0.0, 0.5 * free, -0.5 * free, free, -free, free + 8.0, -free - 8.0]
    if last == first:
        # Right of what leads to the next row.
        asides += [free + 20.0, free + 40.0, free + 60.0]
    for aside in asides:
        x = middle + aside
        if not _crossed(routes.runs, (x - half, y - _SMALL, x + half, bottom)):
            return x, y
    low = _lowest(routes.levels[plan.lines[first]], left, right)
    return middle, max(y, low + 14)


def _crossed(runs: Numbers, box: tuple[float, float, float, float]) -> bool:
    """Whether one of the runs of the buses meets a box; both: left, top, right, bottom."""
    left, top, right, bottom = box
    over = (runs[0] < right) & (runs[1] < bottom) & (runs[2] > left) & (runs[3] > top)
    return bool(over.any())


def _lowest(levels: Numbers, left: float, right: float) -> float:
    """Height of the lowest bus that runs between `left` and `right`."""
    over = (levels[:, 0] < right) & (levels[:, 1] > left)
    return float(levels[over, 2].max(initial=-math.inf))


def note(graph: ParameterGraph, shown: Shown, drawn: Drawn) -> list[str]:
    """The line that says what was left out; none where everything is drawn."""
    total = graph.num_edges
    edges = sum(s.drawn for s in drawn.strokes)
    every = sum(g.size for g in graph.groups)
    if edges == total and shown.nodes == every:
        return []
    how = ", the strongest between them" if graph.values else " between them"
    return [
        f"drawn: {shown.nodes:,} of {every:,} nodes (first and last of wide groups), "
        f"{edges:,} of {total:,} edges{how}"
    ]
