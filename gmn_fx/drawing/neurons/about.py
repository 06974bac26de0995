"""Tooltips: what a node or a stroke is, with the names, indices and values of its parameters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing.neurons.strokes import Strokes
from gmn_fx.drawing.text import plural, tooltip, value
from gmn_fx.graph.model import Group, ParameterGraph, Slot

Array = npt.NDArray[np.int64]

# Values of one stroke that a tooltip lists.
LISTED = 9
# Above this many strokes a tooltip is one line, so that the file stays in proportion.
BRIEF = 4000


def about_nodes(group: Group, rows: Array) -> list[str]:
    """Tooltips of the nodes at the positions `rows` of a group."""
    labels = group.label.expand((group.size,)).array()[rows].tolist()
    what = group.name or group.op or "the graph"
    common = (
        f"made by {group.op}" if group.op else "",
        f"depth {group.depth}" if group.depth >= 0 else "",
    )
    return [
        tooltip(
            f"{group.kind} {k}" + (f" of {what}" if what != group.kind else ""),
            *common,
            f"label {label}" if label >= 0 else "",
            f"node {group.start + k}",
            group.source,
        )
        for k, label in zip(rows.tolist(), labels, strict=True)
    ]


def about_strokes(graph: ParameterGraph, strokes: Strokes, brief: bool) -> list[str]:
    """Tooltips of the strokes of one bundle."""
    bundle = graph.bundles[strokes.bundle]
    slot = next((s for s in graph.slots if s.name == bundle.slot), None)
    if bool((strokes.count == 1).all()):
        edges = strokes.order[strokes.first]
        lines = _lines(slot, strokes, edges)
    else:
        lines = ["\n".join(_listed(slot, strokes, k)) for k in range(len(strokes))]
    if brief and slot is not None:
        return lines
    kind = tooltip(
        f"{bundle.kind} of {bundle.op}" if bundle.op else bundle.kind,
        f"operand {bundle.operand}" if bundle.operand >= 0 else "",
    )
    past = [tooltip(f"after {h}") if h else "" for h in graph.histories]
    history = strokes.edges.history[strokes.order[strokes.first]].tolist()
    return [
        "\n".join(filter(None, (line, kind, past[h])))
        for line, h in zip(lines, history, strict=True)
    ]


def _listed(slot: Slot | None, strokes: Strokes, stroke: int) -> list[str]:
    # The members come strongest first; a reader looks for them in the order of the kernel.
    members = np.sort(strokes.members(stroke))
    more = len(members) - LISTED
    lines = _lines(slot, strokes, members[:LISTED]) if slot is not None else []
    return [
        *lines,
        *([f"and {more} more"] if more > 0 and slot is not None else []),
        *([plural(len(members), "parallel edge")] if len(members) > 1 else []),
    ]


def _lines(slot: Slot | None, strokes: Strokes, edges: Array) -> list[str]:
    """`fc1.weight[3, 0] = 0.25` for every edge; empty lines on parameter-free bundles."""
    if slot is None:
        return [""] * len(edges)
    names = _names(slot, strokes.edges.element[edges])
    if strokes.values is None:
        return names
    numbers = strokes.values[edges].tolist()
    return [f"{name} = {value(v)}" for name, v in zip(names, numbers, strict=True)]


def _names(slot: Slot, elements: Array) -> list[str]:
    name = tooltip(slot.name)
    if not slot.shape:
        return [name] * len(elements)
    places = zip(*(axis.tolist() for axis in np.unravel_index(elements, slot.shape)), strict=True)
    if len(slot.shape) == 1:
        return [f"{name}[{k}]" for (k,) in places]
    if len(slot.shape) == 2:
        return [f"{name}[{i}, {j}]" for i, j in places]
    return [f"{name}[{', '.join(map(str, place))}]" for place in places]
