from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_fx.drawing.links import links_of
from gmn_fx.errors import DrawError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Group, ParameterGraph
from tests.drawing.graphs import mlp, residual_net, transformer


def by_counting(graph: ParameterGraph) -> Counter[tuple[int, int, int]]:
    """(src, dst, bundle) -> edges, edge by edge."""
    owner = {}
    for number, group in enumerate(graph.groups):
        owner.update({group.start + k: number for k in range(group.size)})
    out: Counter[tuple[int, int, int]] = Counter()
    for number, bundle in enumerate(graph.bundles):
        src = bundle.src.expand(bundle.shape).array().reshape(-1)
        dst = bundle.dst.expand(bundle.shape).array().reshape(-1)
        out.update((owner[int(a)], owner[int(b)], number) for a, b in zip(src, dst, strict=True))
    return out


def as_counter(graph: ParameterGraph) -> Counter[tuple[int, int, int]]:
    return Counter({(e.src, e.dst, e.bundle): e.edges for e in links_of(graph)})


@pytest.mark.parametrize("graph", [mlp(), residual_net(), transformer(1, 4, 6, 5)], ids=str)
def test_links_count_the_edges_between_groups(graph):
    assert as_counter(graph) == by_counting(graph)


@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=5).filter(sum),
    shape=st.tuples(st.integers(0, 4), st.integers(1, 4)),
    seed=st.integers(0, 2**32 - 1),
    constant=st.sampled_from([None, 0, 1]),
)
@settings(max_examples=150, deadline=None)
def test_links_of_any_bundle(sizes, shape, seed, constant):
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    groups = tuple(Group("neuron", "op", int(s), n) for s, n in zip(starts, sizes, strict=True))
    rng = np.random.default_rng(seed)

    def ids() -> IndexMap:
        size = [1 if axis == constant else n for axis, n in enumerate(shape)]
        drawn = rng.integers(0, sum(sizes), size=size)
        return IndexMap.from_array(np.broadcast_to(drawn, shape))

    bundle = Bundle("flow", "op", shape, ids(), ids())
    graph = ParameterGraph("any", (), groups, (bundle,))
    assert as_counter(graph) == by_counting(graph)


def test_an_edge_to_nowhere_is_reported():
    graph = mlp()
    broken = replace(graph, groups=graph.groups[:-2])
    with pytest.raises(DrawError, match="in no group"):
        links_of(broken)
