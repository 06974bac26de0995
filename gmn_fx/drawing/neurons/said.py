"""What happened on the way between two columns, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from gmn_fx.drawing.neurons.layout import Layout
from gmn_fx.drawing.neurons.strokes import Strokes
from gmn_fx.drawing.text import shorten
from gmn_fx.graph.model import ParameterGraph

# Bundles whose strokes are counted one by one; all others are in the line under the title.
_COUNTED = frozenset({"weight", "embedding", "opaque"})
# What happened on the way takes at most so many lines; distance of two.
_LINES, LINE = 3, 11.0
_LONG_NUMBER = re.compile(r"\d+\.\d{5,}")


def written_between(
    graph: ParameterGraph, plan: Layout, strokes: Sequence[Strokes]
) -> dict[int, list[str]]:
    """Lines of text under the gap behind each column."""
    # Bundles that say the same say it once; the lines of one stay together.
    said: dict[int, dict[tuple[str, ...], None]] = {}
    for one in (s for s in strokes if len(s)):
        first, last = int(plan.column[one.src[0]]), int(plan.column[one.dst[0]])
        if last == first + 1:
            room = int(plan.gaps[first] / 4.6)
            said.setdefault(first, {}).update(dict.fromkeys(_said(graph, one, room)))
    return {c: [line for part in parts for line in part] for c, parts in said.items()}


def _said(graph: ParameterGraph, strokes: Strokes, room: int) -> list[tuple[str, ...]]:
    bundle = graph.bundles[strokes.bundle]
    out: list[tuple[str, ...]] = []
    past = np.unique(strokes.edges.history)
    if len(past) == 1 and graph.histories[int(past[0])]:
        out.append(_after(graph.histories[int(past[0])], room))
    if strokes.drawn != strokes.total and bundle.kind in _COUNTED:
        out.append((f"drawn {strokes.drawn:,} of {strokes.total:,}",))
    return out


def _after(history: str, room: int) -> tuple[str, ...]:
    """`after relu > pool`; in lines, a function each, where it is too long for one."""
    text = "after " + _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.4g}", history)
    parts = text.split(" > ")
    if len(text) <= room or len(parts) > _LINES:
        return (shorten(text, room),)
    return tuple(shorten(part, room) for part in parts)
