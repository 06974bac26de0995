"""Union-find on arrays against the definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_fx.lowering.unionfind import UnionFind

PAIRS = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30)


def naive(size: int, pairs: list[tuple[int, int]]) -> list[int]:
    """The smallest element of the class of each element."""
    root = list(range(size))
    for a, b in pairs:
        low, high = sorted((root[a], root[b]))
        root = [low if r == high else r for r in root]
    return root


@given(batches=st.lists(PAIRS, max_size=4))
@settings(max_examples=150, deadline=None)
def test_roots_are_the_smallest_of_their_class(batches: list[list[tuple[int, int]]]) -> None:
    sets, said = UnionFind(), []
    sets.grow(20)
    for pairs in batches:
        before = naive(20, said)
        said += pairs
        left, right = (np.array([p[i] for p in pairs], dtype=np.int64) for i in (0, 1))
        assert sets.union(left, right) == (naive(20, said) != before)
        assert sets.roots().tolist() == naive(20, said)
    assert sets.merged == (naive(20, said) != list(range(20)))


def test_a_star_of_equalities_is_one_class() -> None:
    sets = UnionFind(6)
    assert sets.union(np.array([3]), np.arange(1, 6))
    assert sets.roots().tolist() == [0, 1, 1, 1, 1, 1]


def test_union_broadcasts_and_find_keeps_the_shape() -> None:
    sets = UnionFind(12)
    sets.union(np.array([[0], [1]]), np.arange(2, 8).reshape(2, 3))
    assert sets.find(np.arange(8).reshape(2, 4)).tolist() == [[0, 1, 0, 0], [0, 1, 1, 1]]


def test_growing_keeps_what_is_known() -> None:
    sets = UnionFind(4)
    sets.union(np.array([1]), np.array([3]))
    sets.grow(5000)
    assert len(sets) == 5000
    assert sets.find(np.array([3, 4, 4999])).tolist() == [1, 4, 4999]
    sets.grow(10)  # never shrinks
    assert len(sets) == 5000


def test_nothing_united_means_identity() -> None:
    sets = UnionFind(5)
    assert not sets.union(np.arange(5), np.arange(5))
    assert not sets.merged
    assert sets.roots().tolist() == list(range(5))
