"""Pairs of graphs to compare, and what every comparison must hold."""

from __future__ import annotations

from dataclasses import replace

import torch

from gmn_fx.drawing.compare import Comparison
from gmn_fx.drawing.links import links_of
from gmn_fx.graph.model import ParameterGraph
from tests.drawing.graphs import transformer

SMALL = {"layers": 2, "width": 8, "vocabulary": 20, "places": 6}


def valued(graph: ParameterGraph, seed: int = 0) -> ParameterGraph:
    """`graph` with values that depend on names alone, so that equal names have equal values."""
    made = {}
    for slot in graph.slots:
        rng = torch.Generator().manual_seed(seed + sum(slot.name.encode()))
        made[slot.name] = torch.randn(slot.shape, generator=rng)
    return replace(graph, values=made)


def gpt(**sizes: int) -> ParameterGraph:
    return valued(transformer(**{**SMALL, **sizes}))


def with_values(graph: ParameterGraph, **changed: torch.Tensor) -> ParameterGraph:
    """`graph` with other values: `fc1__weight` for `fc1.weight`."""
    given = {name.replace("__", "."): tensor for name, tensor in changed.items()}
    return graph.bind({**graph.values, **given})


def renamed(graph: ParameterGraph, prefix: str) -> ParameterGraph:
    """`graph` of a model that sits in a wrapper."""
    return replace(
        graph,
        slots=tuple(replace(s, name=prefix + s.name) for s in graph.slots),
        groups=tuple(replace(g, name=prefix + g.name if g.name else "") for g in graph.groups),
        bundles=tuple(
            replace(b, slot=b.slot and prefix + b.slot, name=b.name and prefix + b.name)
            for b in graph.bundles
        ),
        values={prefix + k: v for k, v in graph.values.items()},
    )


def states(found: Comparison) -> dict[str, str]:
    return {s.name: c.state for s, c in zip(found.union.slots, found.slots, strict=True)}


def of_state(found: Comparison, state: str) -> set[str]:
    return {name for name, own in states(found).items() if own == state}


def check_union(found: Comparison) -> None:
    """The union is well formed, as far as two networks in one can be."""
    graph = found.union
    assert len(graph.groups) == len(found.groups)
    assert len(graph.bundles) == len(found.bundles)
    assert len(graph.slots) == len(found.slots)
    start = offset = 0
    for group in graph.groups:
        assert group.start == start
        start += group.size
    for slot in graph.slots:
        assert slot.offset == offset
        offset += slot.numel
    names = [s.name for s in graph.slots]
    assert len(set(names)) == len(names)
    by_name = {s.name: s for s in graph.slots}
    links: dict[int, set[tuple[int, int]]] = {}
    for link in links_of(graph):
        links.setdefault(link.bundle, set()).add((link.src, link.dst))
    for number, bundle in enumerate(graph.bundles):
        for ids in (bundle.src, bundle.dst):
            low, high = ids.bounds()
            assert 0 <= low <= high < graph.num_nodes
        assert 0 <= bundle.history.bounds()[1] < len(graph.histories)
        if bundle.slot is not None:
            assert bundle.view is not None
            assert bundle.view.bounds()[1] < by_name[bundle.slot].numel
        # An added bundle joins groups that b has, and so on.
        pair = found.bundles[number].pair
        for ends in links[number]:
            for group in ends:
                assert pair.b is None or found.groups[group].pair.b is not None
                assert pair.b is not None or found.groups[group].pair.a is not None
