"""Refinement and automorphisms against brute force on small multigraphs, and for speed on large."""

from __future__ import annotations

import itertools
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gmn_fx.symmetry.automorphism import (
    Symmetry,
    is_automorphism,
    parameter_map,
    random_automorphism,
    sampled_orbits,
)
from gmn_fx.symmetry.refine import links_of, stable_colouring
from gmn_fx.symmetry.typed import TypedGraph, row_ids


def graph_of(node_type, edges) -> TypedGraph:
    """Edges as (source, destination, type, parameter)."""
    table = np.array(edges, dtype=np.int64).reshape(-1, 4)
    src, dst, kind, param = table.T
    return TypedGraph(np.array(node_type, dtype=np.int64), src, dst, 2 * kind + (param >= 0), param)


@st.composite
def small_graphs(draw) -> TypedGraph:
    n = draw(st.integers(1, 6))
    node_type = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    ends = st.integers(0, n - 1)
    edge = st.tuples(ends, ends, st.integers(0, 1), st.integers(-1, 4))
    return graph_of(node_type, draw(st.lists(edge, max_size=9)))


def brute_automorphisms(graph: TypedGraph):
    """Node maps that extend to edges and parameters, by trying all of them."""
    columns = np.stack([graph.src, graph.dst, graph.edge_type, graph.param], axis=1)
    edges = [tuple(row) for row in columns.tolist()]
    params = sorted({e[3] for e in edges if e[3] >= 0})
    for node in itertools.permutations(range(graph.num_nodes)):
        if any(graph.node_type[i] != graph.node_type[j] for i, j in enumerate(node)):
            continue
        for image in itertools.permutations(params):
            to = dict(zip(params, image, strict=True)) | {-1: -1}
            moved = Counter((node[a], node[b], t, to[p]) for a, b, t, p in edges)
            if moved == Counter(edges):
                yield node
                break


def naive_colours(links) -> list[int]:
    """1-WL on plain Python multisets."""
    colour = links.colour.tolist()
    hears = [[] for _ in colour]
    for v in range(links.size):
        for e in range(links.start[v], links.start[v + 1]):
            hears[links.other[e]].append((int(links.role[e]), v))
    while True:
        seen = [
            (colour[v], tuple(sorted((r, colour[u]) for r, u in hears[v])))
            for v in range(links.size)
        ]
        names = {s: i for i, s in enumerate(sorted(set(seen)))}
        new = [names[s] for s in seen]
        if len(names) == len(set(colour)):
            return new
        colour = new


def same_partition(left, right) -> bool:
    return len(set(zip(left, right, strict=True))) == len(set(left)) == len(set(right))


# A role and a colour with each other's number once added up to one hash.
ROLES_AND_COLOURS = TypedGraph(
    node_type=np.array([0, 1, 0, 1, 1, 0]),
    src=np.array([0, 0, 1, 1, 1, 3, 5]),
    dst=np.array([3, 4, 2, 2, 4, 0, 0]),
    edge_type=np.array([0, 1, 1, 3, 3, 3, 1]),
    param=np.array([-1, 1, 0, 4, 0, 4, 1]),
)


@given(small_graphs())
@example(ROLES_AND_COLOURS)
@settings(max_examples=150, deadline=None)
def test_refinement_is_plain_1wl(graph):
    links = links_of(graph)
    assert same_partition(stable_colouring(links).colour.tolist(), naive_colours(links))


@given(small_graphs(), st.integers(0, 10))
@settings(max_examples=60, deadline=None)
def test_samples_are_automorphisms_and_reach_every_orbit(graph, seed):
    truth = list(brute_automorphisms(graph))
    symmetry = Symmetry.of(graph)
    rng = np.random.default_rng(seed)
    maps = [random_automorphism(symmetry, rng) for _ in range(12)]
    assert all(found is not None for found in maps)
    assert {tuple(found.node.tolist()) for found in maps} <= set(truth)
    orbit = sampled_orbits(graph.num_nodes, [found.node for found in maps])
    exact = [min(node[v] for node in truth) for v in range(graph.num_nodes)]
    assert all(exact[a] == exact[b] for a, b in enumerate(orbit.tolist()))
    colour = symmetry.node_colour
    for v, w in itertools.product(range(graph.num_nodes), repeat=2):
        assert exact[v] != exact[w] or colour[v] == colour[w]


def dense(*sizes: int, tie: bool = False) -> TypedGraph:
    start = np.cumsum([0, *sizes])
    edges, param = [], 0
    for a, b, n, m in zip(start[:-2], start[1:-1], sizes[:-1], sizes[1:], strict=True):
        i, j = np.divmod(np.arange(n * m), m)
        own = np.arange(n * m) + (0 if tie else param)
        edges.append(np.stack([a + i, b + j, np.zeros_like(i), own], 1))
        param += n * m
    node_type = np.concatenate(
        [
            np.arange(n) if k in (0, len(sizes) - 1) else np.full(n, 10**6 + k)
            for k, n in enumerate(sizes)
        ]
    )
    node_type = row_ids([np.repeat(np.arange(len(sizes)), sizes), node_type])
    return graph_of(node_type, np.concatenate(edges))


def test_parameters_on_several_edges_tie_them():
    tied, free = dense(3, 3, 3, tie=True), dense(3, 3, 3)
    rng = np.random.default_rng(0)
    loose = random_automorphism(Symmetry.of(free), rng)
    assert loose is not None
    # The second layer repeats the first, whose inputs are fixed: nothing can move.
    found = random_automorphism(Symmetry.of(tied), rng)
    assert found is not None
    assert found.moved_nodes() == 0


def test_a_map_that_tears_a_parameter_apart_is_refused():
    graph = graph_of([0, 0, 0, 0], [(0, 1, 0, 0), (1, 0, 0, 0), (2, 3, 0, 1), (3, 2, 0, 2)])
    edge = np.array([2, 3, 0, 1])
    node = np.array([2, 3, 0, 1])
    assert parameter_map(graph, edge, 3) is None
    assert not is_automorphism(graph, node, edge)


def test_wrong_maps_are_refused():
    graph = dense(2, 3, 2)
    good = random_automorphism(Symmetry.of(graph), np.random.default_rng(0))
    assert is_automorphism(graph, good.node, good.edge)
    assert not is_automorphism(graph, good.node, np.roll(good.edge, 1))
    assert not is_automorphism(graph, np.roll(good.node, 1), good.edge)
    assert not is_automorphism(graph, np.zeros_like(good.node), good.edge)


def test_structured_cells_need_backtracking():
    """Five disjoint squares: one cell of twenty nodes, and no bijection at random will do."""
    edges = [(4 * k + i, 4 * k + (i + 1) % 4, 0, 4 * k + i) for k in range(5) for i in range(4)]
    symmetry = Symmetry.of(graph_of([0] * 20, edges))
    rng = np.random.default_rng(1)
    maps = [random_automorphism(symmetry, rng) for _ in range(6)]
    assert all(found is not None for found in maps)
    assert set(sampled_orbits(20, [found.node for found in maps])) == {0}


def test_small_moves_leave_the_rest_alone():
    graph = dense(3, 8, 7, 2)
    found = random_automorphism(Symmetry.of(graph), np.random.default_rng(0), move=(3, 5))
    assert found is not None
    assert found.node[3] == 5
    assert found.moved_nodes() == 2


def test_half_a_million_edges_in_seconds():
    graph = dense(300, 600, 400, 100)
    start = time.process_time()
    symmetry = Symmetry.of(graph)
    found = random_automorphism(symmetry, np.random.default_rng(0))
    seconds = time.process_time() - start
    assert graph.num_edges == 460_000
    assert found is not None
    assert found.moved_nodes() > 900
    assert seconds < 20, seconds


@pytest.mark.parametrize("columns", [[[3, 1, 3], [0, 0, 1]], [[5, 5, 5], [-1, 2, -1]]])
def test_row_ids_number_rows(columns):
    arrays = [np.array(c) for c in columns]
    pairs = list(zip(*columns, strict=True))
    assert same_partition(row_ids(arrays).tolist(), pairs)
