"""Architecture view: a box a group, an arrow for the bundles between two groups, as DOT text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmn_fx.drawing import palette
from gmn_fx.drawing.arrow_dot import arrow_attr
from gmn_fx.drawing.box_dot import box_attr, frame_attr
from gmn_fx.drawing.fold import MAX_BOXES, Path
from gmn_fx.drawing.frames import Frame, frames_of, held_back
from gmn_fx.drawing.legend import Entry, title_label
from gmn_fx.drawing.neurons.limits import groups_of, size_of
from gmn_fx.drawing.overlay import Overlay
from gmn_fx.drawing.plan import Plan, plan_of
from gmn_fx.drawing.roles import role_of
from gmn_fx.drawing.text import TIMES, dot_tooltip, plural, tooltip
from gmn_fx.errors import DrawError
from gmn_fx.graph.model import ParameterGraph, Slot


def architecture_dot(
    graph: ParameterGraph,
    *,
    max_boxes: int = MAX_BOXES,
    depth: int | None = None,
    rankdir: str = "TB",
    fold_repeats: bool = True,
    overlay: Overlay | None = None,
) -> str:
    """DOT text of the architecture view.

    Args:
        graph: the graph to draw.
        max_boxes: with more boxes than this, modules are folded into one box each.
        depth: modules nested this deep are one box each; None opens all that fit.
        rankdir: direction of the flow, `"TB"` or `"LR"`.
        fold_repeats: draw blocks that repeat once, with their number.
        overlay: changes to draw; blocks repeat only if their changes do.

    Raises:
        DrawError: `depth` is less than 1.
    """
    import graphviz

    check_depth(depth)
    plan = plan_of(graph, max_boxes, depth, fold_repeats, overlay)
    dot = graphviz.Digraph("architecture", graph_attr=_graph_attr(plan, rankdir))
    dot.attr("node", **_NODE)
    dot.attr("edge", fontname=palette.FONT, fontsize="9", arrowsize="0.6", color=palette.INK)
    slots = {s.name: s for s in graph.slots}
    _write_boxes(dot, plan, slots)
    for number, arrow in enumerate(plan.arrows):
        attr = arrow_attr(plan, slots, arrow)
        dot.edge(f"b{arrow.src}", f"b{arrow.dst}", **attr, id=f"arrow{number}")
    return str(dot.source)


def check_depth(depth: int | None) -> None:
    """Refuse a depth at which nothing can be drawn."""
    if depth is not None and depth < 1:
        raise DrawError(
            f"depth is {depth}, but a picture needs at least depth 1",
            hint="depth=1 draws a box for each top-level module; leave it out to open all",
        )


def _graph_attr(plan: Plan, rankdir: str) -> dict[str, str]:
    graph = plan.graph
    label = title_label(graph.name or "network", _facts(plan), _entries(plan))
    return {
        "rankdir": rankdir,
        "newrank": "true",
        "bgcolor": palette.LIGHT.paper,
        "fontname": palette.FONT,
        "fontcolor": palette.INK,
        "label": label,
        "labelloc": "t",
        "nodesep": "0.22",
        "ranksep": "0.28",
        "pad": "0.1",
        "tooltip": dot_tooltip(tooltip(graph.name or "network")),
    }


def _facts(plan: Plan) -> list[str]:
    """Lines under the title: sizes of the whole graph, then how it was folded."""
    graph = plan.graph
    nodes, edges = size_of(graph)
    facts = [
        plural(groups_of(graph), "group"),
        plural(nodes, "node"),
        plural(edges, "edge"),
        plural(sum(s.numel for s in graph.slots if s.used), "parameter"),
    ]
    how = []
    if any(b.folded for b in plan.boxes):
        boxes = len(plan.boxes)
        how.append(f"modules folded into {boxes} box{'es' if boxes > 1 else ''}")
    if plan.framed or plan.repeated:
        how.append(f"{TIMES} n: n blocks that are alike, drawn once")
    return [" · ".join(facts), " · ".join(how), plan.overlay.subtitle]


def _entries(plan: Plan) -> list[Entry]:
    """Legend: what is on this picture, nothing else."""
    groups = plan.graph.groups
    kinds = {"fold" if b.folded else role_of(groups[b.groups[0]]) for b in plan.boxes}
    order = [*palette.NODES, *sorted(kinds - palette.NODES.keys())]
    out = []
    for kind in (k for k in order if k in kinds):
        style = palette.node_style(kind)
        out.append(Entry(palette.WORDS.get(kind, kind), style.fill, style.stroke))
    used = {a.style for a in plan.arrows}
    out.extend(
        Entry(e.label, e.color, "", e.style) for key, e in palette.EDGES.items() if key in used
    )
    return [*out, *plan.overlay.entries]


def _write_boxes(dot: Any, plan: Plan, slots: dict[str, Slot]) -> None:
    """Add all boxes to `dot`, each inside its frames."""
    around = frames_of(plan)
    for before, source in held_back(plan, around):
        dot.edge(f"b{before}", f"b{source}", style="invis", weight="0")
    numbers = {f: n for n, f in enumerate(dict.fromkeys(f for fs in around for f in fs))}
    attrs = [
        box_attr(plan, slots, n, frames[-1].path if frames else ())
        for n, frames in enumerate(around)
    ]
    _write_inside(dot, plan, attrs, around, numbers, (), list(range(len(plan.boxes))))


def _write_inside(
    dot: Any,
    plan: Plan,
    attrs: Sequence[dict[str, str]],
    around: Sequence[tuple[Frame, ...]],
    numbers: dict[Frame, int],
    at: tuple[Frame, ...],
    boxes: Sequence[int],
) -> None:
    """Add `boxes`, which stand inside the frames `at`."""
    above: Path = at[-1].path if at else ()
    together: dict[Frame | int, list[int]] = {}
    for box in boxes:
        deeper = around[box][len(at) :]
        # Boxes without a frame keep their place among the frames.
        together.setdefault(deeper[0] if deeper else box, []).append(box)
    for key, members in together.items():
        if isinstance(key, int):
            dot.node(f"b{key}", **attrs[key])
            continue
        with dot.subgraph(name=f"cluster_{numbers[key]}") as inner:
            inner.attr(**frame_attr(plan, key, above, numbers[key]), **_FRAME)
            _write_inside(inner, plan, attrs, around, numbers, (*at, key), members)
    for square, target in plan.beside.items():
        if square in together and target in together:
            with dot.subgraph() as row:
                row.attr(rank="same")
                row.node(f"b{square}")
                row.node(f"b{target}")


_NODE = {
    "fontname": palette.FONT,
    "fontsize": "11",
    "fontcolor": palette.INK,
    "shape": "box",
    "style": "filled,rounded",
    "margin": "0.1,0.05",
    "height": "0.3",
    "penwidth": "1.2",
}
_FRAME = {
    "fontname": palette.FONT,
    "fontsize": "10",
    "fontcolor": palette.PALE,
    "labeljust": "l",
    "labelloc": "t",
    "margin": "8",
}
