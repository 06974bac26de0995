"""Architecture view: a box a group, an arrow for the bundles between two groups, as DOT text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gmn_fx.drawing import palette
from gmn_fx.drawing.fold import ALWAYS_SHOWN, HELPERS, Box, Path, boxes_of
from gmn_fx.drawing.frames import frames_of
from gmn_fx.drawing.legend import Entry, title_label
from gmn_fx.drawing.links import Link, links_of
from gmn_fx.drawing.text import (
    TIMES,
    count,
    dot_label,
    dot_tooltip,
    plural,
    shape,
    shorten,
    tooltip,
)
from gmn_fx.graph.model import Bundle, Group, ParameterGraph, Slot

# Lines on one arrow; the rest is counted there and listed in the tooltip.
LABEL_LINES = 3
TOOLTIP_LINES = 40
# What one node of a group is called where the kind is not a word for it.
_ONE = {"vocabulary": "vocabulary entry", "opaque": "opaque node"}
# How hard an arrow pulls its ends into one line: weights make the spine of the picture.
_PULL = {"weight": "20", "embedding": "10", "gain": "10", "flow": "6", "operand": "6"}


@dataclass
class _Arrow:
    """All links of one class between two boxes."""

    src: int
    dst: int
    style: str
    links: list[Link] = field(default_factory=list)


def architecture_dot(graph: ParameterGraph, *, max_boxes: int = 150, rankdir: str = "TB") -> str:
    """DOT text of the architecture view.

    Args:
        graph: the graph to draw.
        max_boxes: with more groups than this, modules are folded into one box each.
        rankdir: direction of the flow, `"TB"` or `"LR"`.
    """
    import graphviz

    boxes = boxes_of(graph, max_boxes)
    arrows, inside = _arrows(graph, boxes)
    boxes = [replace(b, parameters=inside[k]) for k, b in enumerate(boxes)]
    dot = graphviz.Digraph("architecture", graph_attr=_graph_attr(graph, boxes, arrows, rankdir))
    dot.attr(
        "node",
        fontname=palette.FONT,
        fontsize="11",
        shape="box",
        style="filled,rounded",
        margin="0.12,0.06",
        penwidth="1.2",
    )
    dot.attr("edge", fontname=palette.FONT, fontsize="9", arrowsize="0.6", color=palette.INK)
    _write_boxes(dot, graph, boxes, frames_of(graph, boxes, ((a.src, a.dst) for a in arrows)))
    slots = {s.name: s for s in graph.slots}
    for number, arrow in enumerate(arrows):
        dot.edge(
            f"b{arrow.src}",
            f"b{arrow.dst}",
            **_arrow_attr(graph, boxes, slots, arrow),
            id=f"arrow{number}",
        )
    return str(dot.source)


def _graph_attr(
    graph: ParameterGraph, boxes: Sequence[Box], arrows: Sequence[_Arrow], rankdir: str
) -> dict[str, str]:
    groups = [g for g in graph.groups if g.size > 0]
    edges = sum(math.prod(b.shape) for b in graph.bundles)
    facts = [
        plural(len(groups), "group"),
        plural(sum(g.size for g in groups), "node"),
        plural(edges, "edge"),
        plural(sum(s.numel for s in graph.slots if s.used), "parameter"),
    ]
    if len(boxes) < len(groups):
        facts.append(f"folded into {plural(len(boxes), 'box')}".replace("boxs", "boxes"))
    label = title_label(graph.name or "network", " · ".join(facts), _entries(graph, boxes, arrows))
    return {
        "rankdir": rankdir,
        "newrank": "true",
        "bgcolor": "white",
        "fontname": palette.FONT,
        "label": label,
        "labelloc": "t",
        "nodesep": "0.3",
        "ranksep": "0.3",
        "pad": "0.2",
        "tooltip": dot_tooltip(tooltip(graph.name or "network")),
    }


def _entries(graph: ParameterGraph, boxes: Sequence[Box], arrows: Sequence[_Arrow]) -> list[Entry]:
    """Legend: what is on this picture, nothing else."""
    kinds = {"fold" if b.folded else graph.groups[b.groups[0]].kind for b in boxes}
    order = [*palette.NODES, *sorted(kinds - palette.NODES.keys())]
    out = []
    for kind in (k for k in order if k in kinds):
        style = palette.node_style(kind)
        out.append(Entry("folded module" if kind == "fold" else kind, style.fill, style.stroke))
    used = {a.style for a in arrows}
    out.extend(
        Entry(e.label, e.color, "", e.style) for key, e in palette.EDGES.items() if key in used
    )
    return out


# ---- boxes


def _write_boxes(
    dot: Any, graph: ParameterGraph, boxes: Sequence[Box], frames: Sequence[Path]
) -> None:
    """Add all boxes to `dot`, each inside its frame."""
    together: dict[Any, list[int]] = {}
    for number, frame in enumerate(frames):
        # Boxes without a frame keep their place among the frames.
        together.setdefault(frame or number, []).append(number)
    clusters = 0
    for frame, numbers in together.items():
        if isinstance(frame, int):
            dot.node(f"b{frame}", **_box_attr(graph, boxes[frame], frame, ()))
            continue
        with dot.subgraph(name=f"cluster_{clusters}") as inner:
            inner.attr(**_frame_attr(frame, clusters))
            for number in numbers:
                inner.node(f"b{number}", **_box_attr(graph, boxes[number], number, frame))
        clusters += 1


def _frame_attr(frame: Path, number: int) -> dict[str, str]:
    name = ".".join(frame)
    return {
        "id": f"frame{number}",
        "label": f"<<B>{dot_label(shorten(name, 40))}</B>>",
        "tooltip": dot_tooltip(tooltip(name)),
        "style": "rounded",
        "color": "#B0B0B0",
        "bgcolor": "#FAFAFA",
        "fontname": palette.FONT,
        "fontsize": "10",
        "fontcolor": palette.PALE,
        "labeljust": "l",
        "labelloc": "t",
        "margin": "10",
    }


def _box_attr(graph: ParameterGraph, box: Box, number: int, above: Path) -> dict[str, str]:
    """Attributes of a box that stands in the cluster `above`."""
    if box.folded:
        return _folded_attr(graph, box, number, above)
    group = graph.groups[box.groups[0]]
    style = palette.node_style(group.kind)
    about = _group_tooltip(group)
    if box.parameters:
        about += f"\n{plural(box.parameters, 'parameter')} from its bias node or statistics"
    attr = {
        "id": f"box{number}",
        "tooltip": dot_tooltip(about),
        "shape": style.shape,
        "fillcolor": style.fill,
        "color": style.stroke,
    }
    if group.kind in ("bias", "constant") and group.size == 1:
        white = group.kind == "bias"
        return attr | {
            "label": "1" if white else "c",
            "fontsize": "8",
            "width": "0.18",
            "height": "0.18",
            "margin": "0",
            "fixedsize": "true",
            "shape": "square",
            "style": "filled",
            "fontcolor": "white" if white else palette.INK,
        }
    # The name of an input is the module that reads it first: not its own.
    own = "" if group.kind in ALWAYS_SHOWN else ".".join(_below(box.path, above))
    op = group.op if group.op != group.kind else ""
    title = own or op or group.kind
    helpers = [graph.groups[i].kind for i in box.groups[1:]]
    op += "".join(f" + {kind}" for kind in dict.fromkeys(helpers))
    made = [op if own else "", f"depth {group.depth}" if group.depth >= 0 else ""]
    lines = [plural(group.size, _ONE.get(group.kind, group.kind)), " · ".join(filter(None, made))]
    return attr | {"label": _html(title, lines)}


def _folded_attr(graph: ParameterGraph, box: Box, number: int, above: Path) -> dict[str, str]:
    groups = [graph.groups[i] for i in box.groups]
    full = ".".join(box.path)
    deep = sorted(g.depth for g in groups)
    levels = f"depth {deep[0]} … {deep[-1]}" if deep[0] >= 0 else plural(len(groups), "group")
    title = ".".join(_below(box.path, above)) or full or levels
    if box.last:
        last = ".".join(_below(tuple(box.last.split(".")), above)) or box.last
        title = f"{shorten(title, 16)} … {shorten(last, 16)}"
    ops = Counter(g.op or g.kind for g in groups if g.kind not in HELPERS)
    named = [f"{op} {TIMES} {n}" if n > 1 else op for op, n in ops.most_common()]
    about = tooltip(
        f"{full} … {box.last}" if box.last else full,
        f"{plural(len(groups), 'group')}, {plural(sum(g.size for g in groups), 'node')}",
        *(f"{g.name} {g.op} ({g.kind} {TIMES} {g.size:,})" for g in groups[:TOOLTIP_LINES]),
        f"and {len(groups) - TOOLTIP_LINES} more" if len(groups) > TOOLTIP_LINES else "",
    )
    first = plural(len(groups), "group")
    lines = [
        f"{first}, {plural(box.parameters, 'parameter')} inside" if box.parameters else first,
        ", ".join(named[:3]) + (", …" if len(named) > 3 else ""),
    ]
    style = palette.node_style("fold")
    return {
        "id": f"box{number}",
        "tooltip": dot_tooltip(about),
        "shape": style.shape,
        "fillcolor": style.fill,
        "color": style.stroke,
        "style": "filled",
        "label": _html(title, lines),
    }


def _group_tooltip(group: Group) -> str:
    low, high = group.label.bounds()
    return tooltip(
        group.name or group.op or group.kind,
        f"{group.kind}, made by {group.op}" if group.op else group.kind,
        f"{plural(group.size, 'node')}: {group.start} to {group.start + group.size - 1}",
        f"depth {group.depth}" if group.depth >= 0 else "",
        f"labels {low} to {high}" if high >= 0 else "",
        group.source,
    )


def _html(title: str, lines: Iterable[str]) -> str:
    """A label of DOT: bold title, small lines under it."""
    small = "".join(
        f'<BR/><FONT POINT-SIZE="9" COLOR="{palette.PALE}">{dot_label(shorten(t, 44))}</FONT>'
        for t in lines
        if t
    )
    return f"<<B>{dot_label(shorten(title, 36))}</B>{small}>"


def _below(path: Path, above: Path) -> Path:
    """`path` as seen from inside the module `above`."""
    return path[len(above) :] if path[: len(above)] == above else path


# ---- arrows


def _arrows(graph: ParameterGraph, boxes: Sequence[Box]) -> tuple[list[_Arrow], Counter[int]]:
    """The arrows, and for each box the number of parameters that no arrow shows."""
    inside: Counter[int] = Counter()
    where = {group: number for number, box in enumerate(boxes) for group in box.groups}
    trainable = {s.name: s.trainable for s in graph.slots}
    out: dict[tuple[int, int, str], _Arrow] = {}
    for link in links_of(graph):
        bundle = graph.bundles[link.bundle]
        src, dst = where[link.src], where[link.dst]
        if src == dst and (boxes[src].folded or link.src != link.dst):
            inside[src] += link.parameters
            continue
        has_slot = bundle.slot is not None
        style = palette.edge_class(bundle.kind, has_slot, trainable.get(bundle.slot or "", True))
        key = (src, dst, style)
        out.setdefault(key, _Arrow(src, dst, style)).links.append(link)
    return list(out.values()), inside


def _arrow_attr(
    graph: ParameterGraph,
    boxes: Sequence[Box],
    slots: dict[str, Slot],
    arrow: _Arrow,
) -> dict[str, str]:
    style = palette.EDGES[arrow.style]
    parameters = sum(link.parameters for link in arrow.links)
    about = [_link_tooltip(graph, slots, link) for link in arrow.links[:TOOLTIP_LINES]]
    if len(arrow.links) > TOOLTIP_LINES:
        about.append(f"and {len(arrow.links) - TOOLTIP_LINES} more bundles")
    attr = {
        "tooltip": dot_tooltip(tooltip(*about)),
        "color": style.color,
        "style": style.style,
        "penwidth": f"{0.8 + 0.3 * math.log10(parameters):.2f}" if parameters else "0.7",
    }
    attr["weight"] = _PULL.get(graph.bundles[arrow.links[0].bundle].kind, "1")
    if arrow.style == "residual":
        attr["penwidth"] = "1.2"
    if parameters:
        attr["label"] = _arrow_label(graph, boxes, slots, arrow)
    return attr


def _arrow_label(
    graph: ParameterGraph, boxes: Sequence[Box], slots: dict[str, Slot], arrow: _Arrow
) -> str:
    if boxes[arrow.src].folded and boxes[arrow.dst].folded and len(arrow.links) > 1:
        total = sum(link.parameters for link in arrow.links)
        names = {graph.bundles[link.bundle].slot for link in arrow.links}
        return _small([f"{plural(len(names), 'entry')}, {plural(total, 'parameter')}"])
    target = graph.groups[boxes[arrow.dst].groups[0]]
    lines = []
    for link in arrow.links:
        bundle = graph.bundles[link.bundle]
        slot = slots.get(bundle.slot or "")
        name = _local_name(bundle, target, boxes[arrow.dst])
        dims = shape(slot.shape) if slot else "?"
        line = f"{shorten(name, 30)}  {dims}"
        if slot and (link.parameters != slot.numel or len(slot.shape) > 1):
            line += f" = {count(link.parameters)}"
        known = (target.op, bundle.kind, "")
        if bundle.op not in known and not boxes[arrow.dst].folded:
            line += f"  ({shorten(bundle.op, 16)})"
        lines.append(line)
    lines = list(dict.fromkeys(lines))
    if len(lines) > LABEL_LINES:
        lines = [*lines[: LABEL_LINES - 1], f"and {len(lines) - LABEL_LINES + 1} more"]
    return _small(lines)


def _small(lines: Sequence[str]) -> str:
    text = '<BR ALIGN="LEFT"/>'.join(f" {dot_label(line)}" for line in lines)
    return f'<<FONT COLOR="{palette.PALE}">{text}<BR ALIGN="LEFT"/></FONT>>'


def _local_name(bundle: Bundle, target: Group, box: Box) -> str:
    """Slot name as seen from the box that the arrow points to."""
    name = bundle.slot or ""
    if box.folded:
        above = box.path[:-1] if box.last else box.path
        return ".".join(_below(tuple(name.split(".")), above))
    module, _, local = name.rpartition(".")
    return local if module in (target.name, bundle.name) else name


def _link_tooltip(graph: ParameterGraph, slots: dict[str, Slot], link: Link) -> str:
    bundle = graph.bundles[link.bundle]
    slot = slots.get(bundle.slot or "")
    parts = [bundle.slot or bundle.kind]
    if slot is not None:
        parts.append(f"{shape(slot.shape)}, {plural(link.parameters, 'parameter')}")
        if not slot.trainable:
            parts.append("not trainable")
        if slot.aliases:
            parts.append("also " + ", ".join(slot.aliases[:4]))
    parts.append(f"{bundle.kind} of {bundle.op or 'no op'}, {plural(link.edges, 'edge')}")
    if bundle.operand >= 0:
        parts.append(f"operand {bundle.operand}")
    low, high = bundle.history.bounds()
    if low == high and 0 < low < len(graph.histories):
        parts.append(f"after {graph.histories[low]}")
    return "; ".join(parts)
