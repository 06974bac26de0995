"""Arrows of the architecture view, as attributes of DOT."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gmn_fx.drawing import palette
from gmn_fx.drawing.box_dot import below
from gmn_fx.drawing.fold import Box
from gmn_fx.drawing.links import Link
from gmn_fx.drawing.plan import Arrow, Plan
from gmn_fx.drawing.text import count, dot_label, dot_tooltip, plural, shape, shorten, tooltip
from gmn_fx.graph.model import Bundle, Group, ParameterGraph, Slot

# Lines on one arrow; the rest is counted there and listed in the tooltip.
LABEL_LINES = 3
TOOLTIP_LINES = 40
# How hard an arrow pulls its ends into one line: weights make the spine of the picture.
_PULL = {"weight": "20", "embedding": "10", "gain": "10", "flow": "6", "operand": "6"}


def arrow_attr(plan: Plan, slots: Mapping[str, Slot], arrow: Arrow) -> dict[str, str]:
    """Attributes of `arrow`."""
    style = palette.EDGES[arrow.style]
    parameters = sum(link.parameters for link in arrow.links)
    about = [_link_tooltip(plan.graph, slots, link) for link in arrow.links[:TOOLTIP_LINES]]
    if len(arrow.links) > TOOLTIP_LINES:
        about.append(f"and {len(arrow.links) - TOOLTIP_LINES} more bundles")
    attr = {
        "class": arrow.style,
        "color": style.color,
        "style": style.style,
        "penwidth": f"{0.8 + 0.3 * math.log10(parameters):.2f}" if parameters else "0.7",
        "weight": _PULL.get(plan.graph.bundles[arrow.links[0].bundle].kind, "1"),
    }
    if arrow.style == "residual":
        attr["penwidth"] = "1.6"
    beside = plan.beside.get(arrow.src) == arrow.dst
    lines = _label_lines(plan, slots, arrow) if parameters and not beside else []
    change = arrow.change
    if change is not None:
        attr |= {"class": "changed", "color": change.color, "style": change.style}
        attr["penwidth"] = "2.2"
        lines.extend(filter(None, [shorten(change.text, 44)]))
        about.extend(filter(None, [change.about]))
    elif plan.overlay.rest:
        attr["color"] = plan.overlay.rest
    if beside:
        attr |= {"arrowsize": "0.4", "penwidth": "0.8", "weight": "30", "minlen": "0"}
    if lines:
        attr["label"] = _small(lines)
    return attr | {"tooltip": dot_tooltip(tooltip(*about))}


def _label_lines(plan: Plan, slots: Mapping[str, Slot], arrow: Arrow) -> list[str]:
    src, dst = plan.boxes[arrow.src], plan.boxes[arrow.dst]
    if src.folded and dst.folded and len(arrow.links) > 1:
        total = sum(link.parameters for link in arrow.links)
        names = {plan.graph.bundles[link.bundle].slot for link in arrow.links}
        return [f"{plural(len(names), 'entry')}, {plural(total, 'parameter')}"]
    target = plan.graph.groups[dst.groups[0]]
    lines = []
    for link in arrow.links:
        bundle = plan.graph.bundles[link.bundle]
        slot = slots.get(bundle.slot or "")
        dims = shape(slot.shape) if slot else "?"
        line = f"{shorten(_local_name(bundle, target, dst), 30)}  {dims}"
        if slot and (link.parameters != slot.numel or len(slot.shape) > 1):
            line += f" = {count(link.parameters)}"
        if bundle.op not in (target.op, bundle.kind, "") and not dst.folded:
            line += f"  ({shorten(bundle.op, 16)})"
        lines.append(line)
    lines = list(dict.fromkeys(lines))
    if len(lines) > LABEL_LINES:
        lines = [*lines[: LABEL_LINES - 1], f"and {len(lines) - LABEL_LINES + 1} more"]
    return lines


def _small(lines: Sequence[str]) -> str:
    text = '<BR ALIGN="LEFT"/>'.join(f" {dot_label(line)}" for line in lines)
    return f'<<FONT COLOR="{palette.PALE}">{text}<BR ALIGN="LEFT"/></FONT>>'


def _local_name(bundle: Bundle, target: Group, box: Box) -> str:
    """Slot name as seen from the box that the arrow points to."""
    name = bundle.slot or ""
    if box.folded:
        above = box.path[:-1] if box.last else box.path
        return ".".join(below(tuple(name.split(".")), above))
    module, _, local = name.rpartition(".")
    return local if module in (target.name, bundle.name) else name


def _link_tooltip(graph: ParameterGraph, slots: Mapping[str, Slot], link: Link) -> str:
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
