"""Layered coordinates of our own: a column a layer, groups stacked in it, a dot a neuron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmn_fx.drawing.links import Link
from gmn_fx.graph.model import Group, ParameterGraph

# Kinds that belong beside the group they feed, not in a layer of their own.
BESIDE = frozenset({"bias", "constant"})
# Room above a group for its caption.
CAPTION = 15.0


@dataclass(frozen=True)
class Frame:
    """Where one group stands: x of its nodes, y of the first node, column."""

    group: int
    column: int
    x: float
    y: float


@dataclass(frozen=True)
class Layout:
    """Frames by group number (empty groups are absent) and the sizes common to all."""

    frames: dict[int, Frame]
    pitch: float
    gap: float
    width: float
    height: float

    @property
    def radius(self) -> float:
        """Radius of a node's mark."""
        return min(8.0, 0.36 * self.pitch)

    def span(self, first: int, last: int, groups: Sequence[Group]) -> tuple[float, float]:
        """Top and bottom of everything in the columns from `first` to `last`."""
        tops, bottoms = [self.height], [0.0]
        for frame in self.frames.values():
            if first <= frame.column <= last:
                tops.append(frame.y)
                bottoms.append(frame.y + self.pitch * (groups[frame.group].size - 1))
        return min(tops), max(bottoms)


def layout(graph: ParameterGraph, links: Sequence[Link]) -> Layout:
    """Coordinates of all groups."""
    column = columns(graph, links)
    stacks: dict[int, list[int]] = {}
    for group in sorted(column):
        stacks.setdefault(column[group], []).append(group)
    most = max((sum(graph.groups[g].size for g in s) for s in stacks.values()), default=1)
    pitch = min(26.0, max(9.0, 760.0 / most))
    heights = {c: _height(graph, stack, pitch) for c, stack in stacks.items()}
    tallest = max(heights.values(), default=0.0)
    gap = min(200.0, max(95.0, min(0.4 * tallest, 2200.0 / len(stacks))))
    frames: dict[int, Frame] = {}
    for c in sorted(stacks):
        y = (tallest - heights[c]) / 2
        for group in _ordered(graph, stacks[c], links, frames, pitch):
            y += _lead(graph.groups[group], pitch)
            frames[group] = Frame(group, c, c * gap, y)
            y += graph.groups[group].size * pitch
    return Layout(frames, pitch, gap, max(stacks, default=0) * gap, tallest)


def _lead(group: Group, pitch: float) -> float:
    """Room above the first node of `group`."""
    return 0.4 * pitch if group.kind in BESIDE else 0.6 * pitch + CAPTION


def _height(graph: ParameterGraph, stack: Sequence[int], pitch: float) -> float:
    members = [graph.groups[g] for g in stack]
    return sum(_lead(g, pitch) + g.size * pitch for g in members)


def _ordered(
    graph: ParameterGraph,
    stack: Sequence[int],
    links: Sequence[Link],
    frames: dict[int, Frame],
    pitch: float,
) -> list[int]:
    """Bias nodes on top, then by the mean height of what feeds the group: fewer crossings."""
    pull: dict[int, float] = {}
    for group in stack:
        feeds = [
            frames[e.src].y + pitch * graph.groups[e.src].size / 2
            for e in links
            if e.dst == group and e.src in frames and graph.groups[e.src].kind not in BESIDE
        ]
        pull[group] = sum(feeds) / len(feeds) if feeds else 0.0
    return sorted(stack, key=lambda g: (graph.groups[g].kind not in BESIDE, pull[g], g))


def columns(graph: ParameterGraph, links: Sequence[Link]) -> dict[int, int]:
    """Column of every group: its depth where depths grow along all edges, else longest paths."""
    groups = graph.groups
    shown = [i for i, g in enumerate(groups) if g.size > 0]
    layered = [i for i in shown if groups[i].kind not in BESIDE or _fed(i, links)]
    pairs = sorted({(e.src, e.dst) for e in links if e.src != e.dst})
    inside = set(layered)
    inner = [(a, b) for a, b in pairs if a in inside and b in inside]
    if all(groups[i].depth >= 0 for i in layered) and all(
        groups[a].depth < groups[b].depth for a, b in inner
    ):
        known = sorted({groups[i].depth for i in layered})
        place = {i: known.index(groups[i].depth) for i in layered}
    else:
        place = _longest_paths(layered, inner)
    for i in shown:
        if i not in place:
            place[i] = max(0, min((place.get(b, 1) for a, b in pairs if a == i), default=1) - 1)
    return place


def _fed(group: int, links: Sequence[Link]) -> bool:
    return any(e.dst == group and e.src != group for e in links)


def _longest_paths(nodes: Sequence[int], pairs: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Longest path from a source; a cycle is cut where it first enters its smallest node."""
    before: dict[int, set[int]] = {n: set() for n in nodes}
    for a, b in pairs:
        before[b].add(a)
    place: dict[int, int] = {}
    waiting = list(nodes)
    while waiting:
        ready = [n for n in waiting if before[n] <= place.keys()] or waiting[:1]
        for n in ready:
            place[n] = 1 + max((place[a] for a in before[n] if a in place), default=-1)
        waiting = [n for n in waiting if n not in place]
    return place
