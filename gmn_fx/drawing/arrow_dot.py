"""Arrows of the architecture view, as attributes of DOT.

Parameters are named in the box that they lead into, not on the arrow: dot puts labels of arrows
outside the frames, or bends the arrow around them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gmn_fx.drawing import palette
from gmn_fx.drawing.links import Link
from gmn_fx.drawing.plan import Arrow, Plan
from gmn_fx.drawing.text import dot_label, dot_tooltip, plural, shape, shorten, tooltip
from gmn_fx.graph.model import ParameterGraph, Slot

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
    lines: list[str] = []
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


def _small(lines: Sequence[str]) -> str:
    text = '<BR ALIGN="LEFT"/>'.join(f" {dot_label(line)}" for line in lines)
    return f'<<FONT COLOR="{palette.PALE}">{text}<BR ALIGN="LEFT"/></FONT>>'


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
