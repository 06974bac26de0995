"""Depth on graphs of every shape, against a slow and simple definition."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Group, ParameterGraph, Slot
from gmn_fx_passes.number_layers import NumberLayers


def chain(edges: list[tuple[int, int, bool]], count: int) -> ParameterGraph:
    """Groups of one node; an edge is (from, to, has a weight)."""
    import torch

    groups = tuple(Group("neuron", "linear", i, 1) for i in range(count))
    slots = tuple(Slot(f"w{i}", (1,), torch.float32, i) for i in range(len(edges)))
    bundles = tuple(
        Bundle(
            "weight" if heavy else "flow", "linear", (1,), IndexMap.constant(a, (1,)),
            IndexMap.constant(b, (1,)), slot=f"w{i}" if heavy else None,
        )
        for i, (a, b, heavy) in enumerate(edges)
    )  # fmt: skip
    return ParameterGraph("g", slots, groups, bundles)


def depths(graph: ParameterGraph) -> list[int]:
    return [g.depth for g in NumberLayers().apply(graph).ir.groups]


edge = st.tuples(st.integers(0, 6), st.integers(0, 6), st.booleans())


@given(st.lists(edge, max_size=12))
@settings(max_examples=60, deadline=None)
def test_longest_way_in_acyclic_graphs(edges: list[tuple[int, int, bool]]) -> None:
    forward = [(min(a, b), max(a, b), w) for a, b, w in edges if a != b]
    expected = [0] * 7
    for node in range(7):
        ways = [expected[a] + w for a, b, w in forward if b == node]
        expected[node] = max(ways, default=0)
    assert depths(chain(forward, 7)) == expected


@given(st.lists(edge, max_size=14), st.permutations(range(7)), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_depends_on_the_structure_alone(edges: list, order: list[int], random) -> None:
    """Neither on the order of groups nor on that of bundles."""
    renamed = [(order[a], order[b], w) for a, b, w in edges]
    random.shuffle(renamed)
    before, after = depths(chain(edges, 7)), depths(chain(renamed, 7))
    assert before == [after[order[i]] for i in range(7)]


def test_deep_networks_take_linear_time() -> None:
    count = 20_000
    graph = chain([(i, i + 1, True) for i in range(count - 1)], count)
    start = time.perf_counter()
    assert depths(graph)[-1] == count - 1
    assert time.perf_counter() - start < 10
