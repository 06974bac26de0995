"""Text on the picture: captions of groups, names of inputs and outputs, what was left out."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from gmn_fx.drawing.fold import ALWAYS_SHOWN
from gmn_fx.drawing.neurons.columns import BESIDE
from gmn_fx.drawing.neurons.layout import Layout
from gmn_fx.drawing.neurons.parts import Bunch, Label
from gmn_fx.drawing.neurons.shown import Shown
from gmn_fx.drawing.neurons.strokes import Drawn, Strokes
from gmn_fx.drawing.roles import input_title
from gmn_fx.drawing.text import nodes, shorten, tail
from gmn_fx.graph.model import Group, ParameterGraph

# Bundles whose strokes are counted one by one; all others are in the line under the title.
_COUNTED = frozenset({"weight", "embedding", "opaque"})
# What happened on the way takes at most so many lines.
_LINES = 3
_LONG_NUMBER = re.compile(r"\d+\.\d{5,}")


def title(group: Group) -> str:
    """What a group is called on a picture."""
    # The name of an input is the argument's, no module's.
    name = "" if group.kind in ALWAYS_SHOWN else group.name
    # Children of nn.Sequential are called `0`, `1`, ...
    return f"{group.op} {name}".strip() if name.isdigit() else name or group.op or group.kind


def captions(graph: ParameterGraph, shown: Shown, plan: Layout) -> list[Label]:
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


def ends(graph: ParameterGraph, shown: Shown, plan: Layout, sources: set[int]) -> list[Label]:
    """`in 0`, `out 0`: pinned nodes that nothing feeds, or that feed nothing."""
    out = []
    step = max(1, round(11.0 / plan.pitch + 0.4))
    for number, frame in plan.frames.items():
        group = graph.groups[number]
        given = group.label.expand((group.size,)).array()
        is_input, is_output = group.kind == "input", number not in sources
        if not (is_input or is_output) or not len(given) or int(given.max()) < 0:
            continue
        word, side, anchor = ("in", -1, "end") if is_input else ("out", 1, "start")
        for k, y in list(zip(shown.rows[number].tolist(), frame.ys.tolist(), strict=True))[::step]:
            if given[k] >= 0:
                at = (frame.x + side * (plan.radius + 10), y + 3.5)
                out.append(Label(f"{word} {given[k]}", at, anchor, 10.0))
    return out


def between(graph: ParameterGraph, plan: Layout, bunches: Sequence[Bunch]) -> list[Label]:
    """Under the strokes of a bundle: `after relu`, and how many are drawn where not all are."""
    # Bundles that say the same say it once; the lines of one stay together.
    said: dict[int, dict[tuple[str, ...], None]] = {}
    for strokes in (b.strokes for b in bunches):
        first, last = int(plan.column[strokes.src[0]]), int(plan.column[strokes.dst[0]])
        if last == first + 1:
            room = int(plan.gap(first) / 4.6)
            said.setdefault(first, {}).update(dict.fromkeys(_said(graph, strokes, room)))
    return [
        Label(text, ((plan.xs[c] + plan.xs[c + 1]) / 2, y + 11 * k), size=8.5, pale=True)
        for c, parts in said.items()
        for y in (_under(plan, bunches, c),)
        for k, text in enumerate(line for part in parts for line in part)
    ]


def _under(plan: Layout, bunches: Sequence[Bunch], first: int) -> float:
    """Height of a line of text under all that stands between a column and the next."""
    beside = [f for f in plan.frames.values() if first <= f.column <= first + 1]
    # Under a group with hidden neurons stands its size.
    ends = [f.bottom + plan.radius + (18 if f.ellipsis is None else 30) for f in beside]
    return max(*ends, _lowest(bunches, plan.xs[first], plan.xs[first + 1]) + 14)


def _lowest(bunches: Sequence[Bunch], left: float, right: float) -> float:
    """Lowest point of the strokes that bow around others, between `left` and `right`."""
    low = -math.inf
    for bunch in bunches:
        if bunch.points.shape[1] > 4:
            # Levels of the bus: it may pass without a point of its own between the two.
            xs, ys = bunch.points[:, [3, 6], 0], bunch.points[:, 3, 1]
            over = (xs.min(axis=1) < right) & (xs.max(axis=1) > left)
            low = max(low, float(ys[over].max(initial=-math.inf)))
    return low


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
