"""The neuron view as plain marks and curves; `neuron.py` writes it as SVG and as DOT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmn_fx.drawing.columns import BESIDE, CAPTION, Frame, Layout, layout
from gmn_fx.drawing.fold import ALWAYS_SHOWN
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.strokes import Stroke, strokes_of
from gmn_fx.drawing.text import plural, tail, tooltip
from gmn_fx.graph.model import Group, ParameterGraph

Point = tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """One node."""

    node: int
    kind: str
    at: Point
    radius: float
    about: str


@dataclass(frozen=True)
class Curve:
    """One stroke as a cubic curve; `straight` ones have their control points on the line."""

    stroke: Stroke
    points: tuple[Point, Point, Point, Point]
    straight: bool


@dataclass(frozen=True)
class Label:
    """Text at a point; `anchor` as in SVG."""

    text: str
    at: Point
    anchor: str
    size: float


@dataclass(frozen=True)
class Outline:
    """The frame of a group: left, top, width, height."""

    box: tuple[float, float, float, float]
    about: str


@dataclass(frozen=True)
class Scene:
    """Everything on the picture except title and legend. Coordinates start at (0, 0)."""

    marks: tuple[Mark, ...]
    curves: tuple[Curve, ...]
    labels: tuple[Label, ...]
    outlines: tuple[Outline, ...]
    width: float
    height: float
    reference: float


def scene_of(graph: ParameterGraph) -> Scene:
    """The neuron view of `graph`."""
    links = links_of(graph)
    plan = layout(graph, links)
    strokes, reference = strokes_of(graph)
    where = {
        graph.groups[f.group].start + k: (f, (f.x, f.y + k * plan.pitch))
        for f in plan.frames.values()
        for k in range(graph.groups[f.group].size)
    }
    curves = _Router(graph, plan, where).curves(strokes)
    sources = {e.src for e in links if e.src != e.dst}
    labels = _captions(graph, plan) + _ends(graph, plan, sources)
    marks = [
        Mark(
            node,
            graph.groups[f.group].kind,
            at,
            _radius(graph.groups[f.group], plan),
            _about(graph.groups[f.group], node),
        )
        for node, (f, at) in sorted(where.items())
    ]
    scene = Scene(
        tuple(marks),
        tuple(curves),
        tuple(labels),
        tuple(_outlines(graph, plan)),
        0.0,
        0.0,
        reference,
    )
    return _at_origin(scene)


def _radius(group: Group, plan: Layout) -> float:
    return plan.radius * (0.7 if group.kind in BESIDE else 1.0)


def _about(group: Group, node: int) -> str:
    k = node - group.start
    label = int(group.label.expand((group.size,)).array()[k])
    return tooltip(
        f"{group.kind} {k} of {group.name or group.op or 'the graph'}",
        f"made by {group.op}" if group.op else "",
        f"depth {group.depth}" if group.depth >= 0 else "",
        f"label {label}" if label >= 0 else "",
        f"node {node}",
        group.source,
    )


def _captions(graph: ParameterGraph, plan: Layout) -> list[Label]:
    room = max(6, int(plan.gap / 5.4))
    out = []
    for frame in plan.frames.values():
        group = graph.groups[frame.group]
        if group.kind not in BESIDE:
            text = tail(_title(group), room)
            at = (frame.x, frame.y - plan.radius - 9)
            out.append(Label(text, at, "middle", 9.0))
    return out


def _title(group: Group) -> str:
    # The name of an input is the module that reads it first: not its own.
    name = "" if group.kind in ALWAYS_SHOWN else group.name
    # Children of nn.Sequential are called `0`, `1`, ...
    return f"{group.op} {name}".strip() if name.isdigit() else name or group.op or group.kind


def _ends(graph: ParameterGraph, plan: Layout, sources: set[int]) -> list[Label]:
    """`in 0`, `out 0`: pinned nodes that nothing feeds, or that feed nothing."""
    out = []
    step = max(1, round(11.0 / plan.pitch + 0.4))
    for frame in plan.frames.values():
        group = graph.groups[frame.group]
        given = group.label.expand((group.size,)).array().tolist()
        is_input, is_output = group.kind == "input", frame.group not in sources
        if not (is_input or is_output) or max(given) < 0:
            continue
        word, side, anchor = ("in", -1, "end") if is_input else ("out", 1, "start")
        for k in range(0, group.size, step):
            if given[k] >= 0:
                at = (frame.x + side * (plan.radius + 10), frame.y + k * plan.pitch + 3.5)
                out.append(Label(f"{word} {given[k]}", at, anchor, 10.0))
    return out


def _outlines(graph: ParameterGraph, plan: Layout) -> list[Outline]:
    half = plan.radius + 5
    out = []
    for frame in plan.frames.values():
        group = graph.groups[frame.group]
        if group.kind not in BESIDE:
            box = (
                frame.x - half,
                frame.y - half,
                2 * half,
                (group.size - 1) * plan.pitch + 2 * half,
            )
            out.append(
                Outline(box, tooltip(_title(group), plural(group.size, group.kind), group.source))
            )
    return out


class _Router:
    """Edges between neighbours are straight; others bow around the columns between."""

    LANE = 5.0

    def __init__(
        self, graph: ParameterGraph, plan: Layout, where: dict[int, tuple[Frame, Point]]
    ) -> None:
        self.graph, self.plan, self.where = graph, plan, where
        self.spans: dict[tuple[int, int], tuple[float, float]] = {}
        self.seen: dict[tuple[int, int], int] = {}

    def curves(self, strokes: Sequence[Stroke]) -> list[Curve]:
        """A curve for each stroke."""
        return [self._curve(s) for s in strokes]

    def _curve(self, stroke: Stroke) -> Curve:
        (first, a), (second, b) = self.where[stroke.src], self.where[stroke.dst]
        ends = (stroke.src, stroke.dst)
        twin = self.seen[ends] = self.seen.get(ends, -1) + 1
        steps = second.column - first.column
        if stroke.src == stroke.dst:
            reach = 3.2 * self.plan.radius + 4 * twin
            top = a[1] - reach
            return Curve(stroke, (a, (a[0] - reach, top), (a[0] + reach, top), b), False)
        if steps == 0:
            bow = 0.35 * self.plan.gap + 4 * twin
            return Curve(stroke, (a, (a[0] + bow, a[1]), (b[0] + bow, b[1]), b), False)
        if steps == 1:
            return self._direct(stroke, a, b, twin)
        return self._around(stroke, first, a, second, b, twin)

    def _direct(self, stroke: Stroke, a: Point, b: Point, twin: int) -> Curve:
        shift = (twin + 1) // 2 * (-9.0 if twin % 2 else 9.0)
        one = (a[0] + (b[0] - a[0]) / 3, a[1] + (b[1] - a[1]) / 3 + shift)
        two = (a[0] + 2 * (b[0] - a[0]) / 3, a[1] + 2 * (b[1] - a[1]) / 3 + shift)
        return Curve(stroke, (a, one, two, b), twin == 0)

    def _around(
        self, stroke: Stroke, first: Frame, a: Point, second: Frame, b: Point, twin: int
    ) -> Curve:
        """Forward skips pass above what lies between, backward edges below."""
        low, high = sorted((first.column, second.column))
        if (low, high) not in self.spans:
            self.spans[low, high] = self.plan.span(low + 1, high - 1, self.graph.groups)
        top, bottom = self.spans[low, high]
        rank = (stroke.dst - self.graph.groups[second.group].start) % 12 + twin
        clear = self.plan.radius + CAPTION + 10 + self.LANE * rank
        goal = top - clear if second.column > first.column else bottom + clear
        # The middle of a cubic lies 1/8, 3/4, 1/8 between its ends and its control height.
        bend = (goal - 0.125 * (a[1] + b[1])) / 0.75
        reach = 0.1 * (b[0] - a[0]) if second.column > first.column else -0.3 * self.plan.gap
        return Curve(stroke, (a, (a[0] + reach, bend), (b[0] - reach, bend), b), False)


def _at_origin(scene: Scene) -> Scene:
    """Shift everything so that the picture starts at (0, 0)."""
    xs, ys = [0.0], [0.0]
    for mark in scene.marks:
        xs += [mark.at[0] - mark.radius, mark.at[0] + mark.radius]
        ys += [mark.at[1] - mark.radius, mark.at[1] + mark.radius]
    for label in scene.labels:
        wide = 0.58 * label.size * len(label.text)
        left = {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor] * wide
        xs += [label.at[0] - left, label.at[0] - left + wide]
        ys += [label.at[1] - label.size, label.at[1] + 2]
    for left, top, wide, high in (o.box for o in scene.outlines):
        xs += [left, left + wide]
        ys += [top, top + high]
    for curve in scene.curves:
        for t in (0.25, 0.5, 0.75):
            x, y = on_curve(curve.points, t)
            xs.append(x)
            ys.append(y)
    dx, dy = -min(xs), -min(ys)

    def moved(at: Point) -> Point:
        return (at[0] + dx, at[1] + dy)

    return Scene(
        tuple(Mark(m.node, m.kind, moved(m.at), m.radius, m.about) for m in scene.marks),
        tuple(
            Curve(
                c.stroke,
                (moved(c.points[0]), moved(c.points[1]), moved(c.points[2]), moved(c.points[3])),
                c.straight,
            )
            for c in scene.curves
        ),
        tuple(Label(t.text, moved(t.at), t.anchor, t.size) for t in scene.labels),
        tuple(Outline((*moved(o.box[:2]), *o.box[2:]), o.about) for o in scene.outlines),
        max(xs) + dx,
        max(ys) + dy,
        scene.reference,
    )


def on_curve(points: tuple[Point, Point, Point, Point], t: float) -> Point:
    """Point of a cubic curve."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    return (
        sum(w * p[0] for w, p in zip(weights, points, strict=True)),
        sum(w * p[1] for w, p in zip(weights, points, strict=True)),
    )
