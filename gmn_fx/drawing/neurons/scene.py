"""From a graph to a picture of its neurons: what is shown, where it stands, what it says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from gmn_fx.drawing import palette
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.neurons import captions, key
from gmn_fx.drawing.neurons.about import BRIEF, about_nodes, about_strokes
from gmn_fx.drawing.neurons.columns import BESIDE
from gmn_fx.drawing.neurons.heads import heads_of
from gmn_fx.drawing.neurons.layout import Layout
from gmn_fx.drawing.neurons.limits import facts
from gmn_fx.drawing.neurons.measure import extent
from gmn_fx.drawing.neurons.parts import Bunch, Mark, Outline, Scene, Tile
from gmn_fx.drawing.neurons.placed import placed
from gmn_fx.drawing.neurons.route import Routes, routes_of
from gmn_fx.drawing.neurons.shown import Shown
from gmn_fx.drawing.neurons.strokes import CLASSES, LEVELS, Drawn, Strokes, strokes_of
from gmn_fx.drawing.neurons.tiles import CELL, Kernel
from gmn_fx.drawing.roles import role_of
from gmn_fx.drawing.text import nodes, shorten, tooltip
from gmn_fx.graph.model import ParameterGraph

MARGIN, HEADER = 24.0, 62.0
NARROWEST = 400.0


def scene_of(
    graph: ParameterGraph, shown: Shown, *, title: str = "", rows: int | None = None
) -> Scene:
    """The neuron view (or, where `shown` leaves neurons out, the hybrid view) of `graph`.

    title: shown instead of the graph's name. rows: number of rows; by default as many as give a
    long network a shape that can be read.
    """
    links = links_of(graph)
    drawn = strokes_of(graph, shown)
    plan, kernels = placed(graph, shown, links, drawn, rows)
    routes = routes_of(drawn.strokes, plan, {k: v.length for k, v in kernels.items()})
    bunches = _bunches(graph, drawn, routes)
    tiles = _tiles(drawn, kernels, bunches, plan)
    marks = _marks(graph, shown, plan)
    outlines = _outlines(graph, shown, plan)
    labels = captions.labels(graph, shown, plan, bunches, routes)
    name = title or graph.name or "network"
    low, high = extent(marks, labels, outlines, bunches)
    body = high[0] - low[0], high[1] - low[1]
    notes = [facts(graph), *captions.note(graph, shown, drawn)]
    width = max(body[0] + 2 * MARGIN, NARROWEST)
    header = key.header(shorten(name, int(width / 10)), notes, width)
    top = HEADER + 13.0 * (len(header) - 2)
    foot = top + body[1] + MARGIN
    entries, lines = key.entries(graph, drawn, marks, tiles, outlines, width - 2 * MARGIN)
    return Scene(
        title=tooltip(name),
        description=" · ".join(notes),
        width=width,
        height=foot + MARGIN + key.ROW * lines,
        left=(width - body[0]) / 2 - low[0],
        top=top - low[1],
        outlines=tuple(outlines),
        bunches=tuple(bunches),
        tiles=tuple(tiles),
        marks=tuple(marks),
        labels=tuple(labels),
        header=tuple(header),
        key=tuple(key.moved(entries, MARGIN, foot + 12)),
    )


def _bunches(graph: ParameterGraph, drawn: Drawn, routes: Routes) -> list[Bunch]:
    brief = sum(len(s) for s in drawn.strokes) > BRIEF
    trainable = {s.name: s.trainable for s in graph.slots}
    out = []
    for strokes, (points, straight) in zip(drawn.strokes, routes.ways, strict=True):
        if not len(strokes):
            continue
        bundle = graph.bundles[strokes.bundle]
        valued = strokes.values is not None
        frozen = bundle.slot is not None and not trainable.get(bundle.slot, True)
        plain = CLASSES[int(strokes.cls[0])]
        dash = ("6 2" if frozen else "") if valued else palette.EDGES[plain].dash
        out.append(
            Bunch(
                strokes,
                points,
                straight,
                dash,
                tuple(drawn.width(k, valued) for k in range(LEVELS)),
                tuple(drawn.opacity(k, valued, plain) for k in range(LEVELS)),
                partial(about_strokes, graph, strokes, brief),
            )
        )
    return out


def _tiles(
    drawn: Drawn, kernels: dict[int, Kernel], bunches: Sequence[Bunch], plan: Layout
) -> list[Tile]:
    out = []
    for bunch in bunches:
        one = bunch.strokes
        kernel = kernels.get(one.bundle)
        if kernel is None:
            continue
        about = bunch.about()
        for k, (x, y) in enumerate(bunch.points[:, -1].tolist()):
            left = x - plan.radius - 4.0 - kernel.length + kernel.left(k)
            cells = _cells(one, k, drawn.reference)
            out.append(Tile((left, y - kernel.height / 2), CELL, kernel.cols, cells, about[k]))
    return out


def _cells(strokes: Strokes, stroke: int, reference: float) -> tuple[tuple[str, float], ...]:
    members = np.sort(strokes.members(stroke))
    if strokes.values is None:
        return (("parameter", 0.15),) * len(members)
    out = []
    for number in strokes.values[members].tolist():
        if not np.isfinite(number):
            out.append(("not-finite", 1.0))
        else:
            sign = "negative" if number.real < 0 else "positive"
            out.append((sign, round(min(1.0, abs(number) / (reference or 1.0)), 2)))
    return tuple(out)


def _marks(graph: ParameterGraph, shown: Shown, plan: Layout) -> list[Mark]:
    out = []
    for number in sorted(plan.frames):
        group, frame = graph.groups[number], plan.frames[number]
        rows = shown.rows[number]
        role, radius = role_of(group), plan.radius * (0.7 if group.kind in BESIDE else 1.0)
        about = about_nodes(group, rows)
        for k, y, text in zip(rows.tolist(), frame.ys.tolist(), about, strict=True):
            out.append(Mark(group.start + k, role, (frame.x, y), radius, text))
    return out


def _outlines(graph: ParameterGraph, shown: Shown, plan: Layout) -> list[Outline]:
    half = plan.radius + 5
    out = []
    for number, frame in plan.frames.items():
        group = graph.groups[number]
        if group.kind not in BESIDE:
            box = (frame.x - half, frame.top - half, 2 * half, frame.bottom - frame.top + 2 * half)
            about = tooltip(captions.title(group), nodes(group.size, group.kind), group.source)
            out.append(Outline(box, about))
    for block in heads_of(graph):
        group, frame = graph.groups[block.group], plan.frames[block.group]
        if shown.hidden(block.group, group.size):
            continue
        ys = frame.ys[block.first : block.first + block.size]
        inner = plan.radius + min(2.5, 0.45 * plan.pitch - plan.radius)
        box = (frame.x - inner, ys[0] - inner, 2 * inner, ys[-1] - ys[0] + 2 * inner)
        out.append(Outline(box, tooltip(f"head {block.head} of {captions.title(group)}"), True))
    return out
