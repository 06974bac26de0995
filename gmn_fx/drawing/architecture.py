"""Architecture view: a box a group, an arrow for the bundles between two groups, as DOT text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gmn_fx.drawing import palette
from gmn_fx.drawing.fold import HELPERS, Box, Path, boxes_of
from gmn_fx.drawing.legend import Entry, title_label
from gmn_fx.drawing.links import Link, links_of
from gmn_fx.drawing.text import count, dot_tooltip, escape, plural, shape, shorten, tooltip
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


def architecture_dot(
    graph: ParameterGraph, *, max_boxes: int = 150, rankdir: str = "TB"
) -> str:
    """DOT text of the architecture view.

    Args:
        graph: the graph to draw.
        max_boxes: with more groups than this, modules are folded into one box each.
        rankdir: direction of the flow, `"TB"` or `"LR"`.
    """
    import graphviz

    boxes = boxes_of(graph, max_boxes)
    arrows = _arrows(graph, boxes)
    dot = graphviz.Digraph("architecture", graph_attr=_graph_attr(graph, boxes, arrows, rankdir))
    dot.attr("node", fontname=palette.FONT, fontsize="11", shape="box", style="filled,rounded",
             margin="0.12,0.06", penwidth="1.2")
    dot.attr("edge", fontname=palette.FONT, fontsize="9", arrowsize="0.6", color=palette.INK)
    _Clusters(graph, boxes, arrows).write(dot)
    slots = {s.name: s for s in graph.slots}
    for number, arrow in enumerate(arrows):
        dot.edge(f"b{arrow.src}", f"b{arrow.dst}", **_arrow_attr(graph, boxes, slots, arrow, number))
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
        "rankdir": rankdir, "newrank": "true", "bgcolor": "white", "fontname": palette.FONT, "label": label,
        "labelloc": "t", "nodesep": "0.3", "ranksep": "0.3", "pad": "0.2",
        "tooltip": dot_tooltip(tooltip(graph.name or "network")),
    }


def _entries(
    graph: ParameterGraph, boxes: Sequence[Box], arrows: Sequence[_Arrow]
) -> list[Entry]:
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


def _box_attr(graph: ParameterGraph, box: Box, number: int, above: Path) -> dict[str, str]:
    """Attributes of a box that stands in the cluster `above`."""
    if box.folded:
        return _folded_attr(graph, box, number, above)
    group = graph.groups[box.groups[0]]
    style = palette.node_style(group.kind)
    about = _group_tooltip(group)
    attr = {
        "id": f"box{number}", "tooltip": dot_tooltip(about), "shape": style.shape,
        "fillcolor": style.fill, "color": style.stroke,
    }
    if group.kind in ("bias", "constant") and group.size == 1:
        white = group.kind == "bias"
        return attr | {
            "label": "1" if white else "c", "fontsize": "8", "width": "0.18", "height": "0.18",
            "margin": "0", "fixedsize": "true", "shape": "square", "style": "filled",
            "fontcolor": "white" if white else palette.INK,
        }
    own = ".".join(_below(box.path, above))
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
    title = ".".join(_below(box.path, above)) or full or "unnamed"
    if box.last:
        last = ".".join(_below(tuple(box.last.split(".")), above)) or box.last
        title = f"{shorten(title, 16)} … {shorten(last, 16)}"
    ops = Counter(g.op or g.kind for g in groups if g.kind not in HELPERS)
    named = [f"{op} × {n}" if n > 1 else op for op, n in ops.most_common()]
    about = tooltip(
        f"{full} … {box.last}" if box.last else full,
        f"{plural(len(groups), 'group')}, {plural(sum(g.size for g in groups), 'node')}",
        *(f"{g.name} {g.op} ({g.kind} × {g.size:,})" for g in groups[:TOOLTIP_LINES]),
        f"and {len(groups) - TOOLTIP_LINES} more" if len(groups) > TOOLTIP_LINES else "",
    )
    lines = [
        f"{plural(len(groups), 'group')}, {plural(sum(g.size for g in groups), 'node')}",
        ", ".join(named[:3]) + (", …" if len(named) > 3 else ""),
    ]
    style = palette.node_style("fold")
    return {
        "id": f"box{number}", "tooltip": dot_tooltip(about), "shape": style.shape,
        "fillcolor": style.fill, "color": style.stroke, "style": "filled",
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
        f'<BR/><FONT POINT-SIZE="9" COLOR="{palette.PALE}">{escape(shorten(t, 44))}</FONT>'
        for t in lines
        if t
    )
    return f"<<B>{escape(shorten(title, 36))}</B>{small}>"


def _below(path: Path, above: Path) -> Path:
    """`path` as seen from inside the module `above`."""
    return path[len(above):] if path[: len(above)] == above else path


# ---- arrows


def _arrows(graph: ParameterGraph, boxes: Sequence[Box]) -> list[_Arrow]:
    where = {group: number for number, box in enumerate(boxes) for group in box.groups}
    trainable = {s.name: s.trainable for s in graph.slots}
    out: dict[tuple[int, int, str], _Arrow] = {}
    for link in links_of(graph):
        bundle = graph.bundles[link.bundle]
        src, dst = where[link.src], where[link.dst]
        if src == dst and link.src != link.dst:
            continue
        has_slot = bundle.slot is not None
        style = palette.edge_class(bundle.kind, has_slot, trainable.get(bundle.slot or "", True))
        key = (src, dst, style)
        out.setdefault(key, _Arrow(src, dst, style)).links.append(link)
    return list(out.values())


def _arrow_attr(
    graph: ParameterGraph,
    boxes: Sequence[Box],
    slots: dict[str, Slot],
    arrow: _Arrow,
    number: int,
) -> dict[str, str]:
    style = palette.EDGES[arrow.style]
    parameters = sum(link.parameters for link in arrow.links)
    about = [_link_tooltip(graph, slots, link) for link in arrow.links[:TOOLTIP_LINES]]
    if len(arrow.links) > TOOLTIP_LINES:
        about.append(f"and {len(arrow.links) - TOOLTIP_LINES} more bundles")
    attr = {
        "id": f"arrow{number}", "tooltip": dot_tooltip(tooltip(*about)),
        "color": style.color, "style": style.style,
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
        if bundle.op and bundle.op != target.op and not boxes[arrow.dst].folded:
            line += f"  ({shorten(bundle.op, 16)})"
        lines.append(line)
    lines = list(dict.fromkeys(lines))
    if len(lines) > LABEL_LINES:
        lines = [*lines[: LABEL_LINES - 1], f"and {len(lines) - LABEL_LINES + 1} more"]
    return _small(lines)


def _small(lines: Sequence[str]) -> str:
    text = "<BR ALIGN=\"LEFT\"/>".join(f" {escape(line)}" for line in lines)
    return f'<<FONT COLOR="{palette.PALE}">{text}<BR ALIGN="LEFT"/></FONT>>'


def _local_name(bundle: Bundle, target: Group, box: Box) -> str:
    """Slot name as seen from the box that the arrow points to."""
    name = bundle.slot or ""
    if box.folded:
        return ".".join(_below(tuple(name.split(".")), box.path[:-1]))
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


# ---- clusters


class _Clusters:
    """Modules that hold at least two boxes (not counting helpers) are framed.

    One level of frames only: nested ones make dot lay a chain out as a staircase.
    """

    def __init__(
        self, graph: ParameterGraph, boxes: Sequence[Box], arrows: Sequence[_Arrow]
    ) -> None:
        self.graph, self.boxes = graph, boxes
        self.homes = [self._home(b) for b in boxes]
        self._move_bias_nodes(arrows)
        sizes: Counter[Path] = Counter()
        for box, home in zip(boxes, self.homes, strict=True):
            if not self._helper(box):
                sizes.update(home[:n] for n in range(1, len(home) + 1))
        # A frame around nearly everything, or around nothing but frames, says nothing.
        shown = sum(not self._helper(b) for b in boxes)
        self.frames = {p for p, n in sizes.items() if 2 <= n <= 0.8 * shown}
        inside: Counter[Path] = Counter()
        for frame in self.frames:
            inside[frame[:-1]] += sizes[frame]
        self.frames -= {p for p in self.frames if inside[p] >= 0.7 * sizes[p]}
        self.paths = [self._frames_of(home) for home in self.homes]

    def _helper(self, box: Box) -> bool:
        return not box.folded and self.graph.groups[box.groups[0]].kind in HELPERS

    def _home(self, box: Box) -> Path:
        """The module in which the box may be framed."""
        group = self.graph.groups[box.groups[0]]
        if group.kind == "input":
            return ()
        return box.path[:-1] if box.folded else box.path

    def _move_bias_nodes(self, arrows: Sequence[_Arrow]) -> None:
        """A bias node stands where the group stands that it feeds."""
        for arrow in arrows:
            if self._helper(self.boxes[arrow.src]):
                self.homes[arrow.src] = self.homes[arrow.dst]

    def _frames_of(self, home: Path) -> list[Path]:
        found = [home[:n] for n in range(1, len(home) + 1) if home[:n] in self.frames]
        return found[:1]

    def write(self, dot: Any) -> None:
        """Add all boxes to `dot`, each inside its frames."""
        tree: dict[Any, Any] = {}
        for number, frames in enumerate(self.paths):
            here = tree
            for frame in frames:
                here = here.setdefault(frame, {})
            here[number] = None
        self._write(dot, tree, (), [0])

    def _write(self, dot: Any, tree: dict[Any, Any], above: Path, made: list[int]) -> None:
        for key, inside in tree.items():
            if inside is None:
                dot.node(f"b{key}", **_box_attr(self.graph, self.boxes[key], key, above))
                continue
            name = f"cluster_{made[0]}"
            made[0] += 1
            with dot.subgraph(name=name) as sub:
                label = ".".join(_below(key, above))
                sub.attr(
                    label=f"<<B>{escape(shorten(label, 40))}</B>>", id=f"frame{made[0] - 1}",
                    tooltip=dot_tooltip(tooltip(".".join(key))), style="rounded",
                    color="#B0B0B0", bgcolor="#FAFAFA", fontname=palette.FONT, fontsize="10",
                    fontcolor=palette.PALE, labeljust="l", labelloc="t", margin="10",
                )
                self._write(sub, inside, key, made)
