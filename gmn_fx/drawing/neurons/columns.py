"""Layers: which column every group stands in, and in what order within its column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gmn_fx.drawing.links import Link
from gmn_fx.graph.model import ParameterGraph

# Kinds that belong beside the group they feed, not in a layer of their own.
BESIDE = frozenset({"bias", "constant"})


def columns(graph: ParameterGraph, links: Sequence[Link]) -> dict[int, int]:
    """Column of every group: its depth where depths grow along all edges, else longest paths."""
    groups = graph.groups
    shown = [i for i, g in enumerate(groups) if g.size > 0]
    pairs = sorted({(e.src, e.dst) for e in links if e.src != e.dst})
    fed = {b for _, b in pairs}
    layered = [i for i in shown if groups[i].kind not in BESIDE or i in fed]
    inside = set(layered)
    inner = [(a, b) for a, b in pairs if a in inside and b in inside]
    if all(groups[i].depth >= 0 for i in layered) and all(
        groups[a].depth < groups[b].depth for a, b in inner
    ):
        known = {depth: k for k, depth in enumerate(sorted({groups[i].depth for i in layered}))}
        place = {i: known[groups[i].depth] for i in layered}
    else:
        place = _longest_paths(layered, inner)
    # What the network gives stands at its end: in the midst, names would lie among strokes.
    end = max(place.values(), default=0)
    place |= dict.fromkeys(named_groups(graph, links)[1] & place.keys(), end)
    place |= _late(place, inner, [i for i in layered if groups[i].kind == "input"])
    readers = _readers(pairs)
    for i in shown:
        if i not in place:
            place[i] = max(0, min((place.get(b, 1) for b in readers.get(i, ())), default=1) - 1)
    return _without_holes(place)


def _late(
    place: Mapping[int, int], pairs: Sequence[tuple[int, int]], inputs: Sequence[int]
) -> dict[int, int]:
    """What no input reaches (tables, and what is made of them) stands right before its readers."""
    readers = _readers(pairs)
    reached, waiting = set(inputs), list(inputs)
    while waiting:
        new = [b for b in readers.get(waiting.pop(), ()) if b not in reached]
        reached.update(new)
        waiting += new
    out = dict(place)
    # Without inputs there is no telling what comes late.
    for group in sorted(place, key=lambda g: -place[g]) if inputs else ():
        ahead = [out[b] for b in readers.get(group, ()) if place[b] > place[group]]
        if group not in reached and ahead:
            out[group] = min(ahead) - 1
    return out


def _readers(pairs: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    out: dict[int, list[int]] = {}
    for a, b in pairs:
        out.setdefault(a, []).append(b)
    return out


def named_groups(graph: ParameterGraph, links: Sequence[Link]) -> tuple[set[int], set[int]]:
    """Inputs and outputs whose nodes have names: labelled groups, outputs if they feed nothing."""
    sources = {e.src for e in links if e.src != e.dst}
    labelled = {
        i
        for i, g in enumerate(graph.groups)
        if g.size and g.label.expand((g.size,)).bounds()[1] >= 0
    }
    inputs = {i for i in labelled if graph.groups[i].kind == "input"}
    return inputs, labelled - inputs - sources


def _without_holes(place: dict[int, int]) -> dict[int, int]:
    number = {c: k for k, c in enumerate(sorted(set(place.values())))}
    return {i: number[c] for i, c in place.items()}


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
    return _pulled(place, pairs)


def _pulled(place: dict[int, int], pairs: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Sources that are read late stand right before their first reader: shorter edges."""
    fed = {b for a, b in pairs}
    first: dict[int, int] = {}
    for a, b in pairs:
        if a not in fed and place[b] > place[a]:
            first[a] = min(first.get(a, place[b]), place[b])
    return place | {a: column - 1 for a, column in first.items()}


def ordered(
    stack: Sequence[int], feeding: Mapping[int, Sequence[Link]], centre: Mapping[int, float]
) -> list[int]:
    """By the mean height of what feeds the group: fewer crossings.

    feeding: links into each group. centre: height of the middle of the groups placed already.
    """
    pull: dict[int, float] = {}
    for group in stack:
        feeds = [centre[e.src] for e in feeding[group] if e.src in centre]
        pull[group] = sum(feeds) / len(feeds) if feeds else 0.0
    return sorted(stack, key=lambda g: (pull[g], g))
