from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gmn_fx.graph.arrays import write
from gmn_fx.graph.indexmap import IndexMap, cut_constant, dense_strides, distinct

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
NONEMPTY = st.lists(st.integers(1, 6), max_size=4).map(tuple)


@st.composite
def maps(draw: st.DrawFn, shapes: st.SearchStrategy[tuple[int, ...]] = NONEMPTY) -> IndexMap:
    shape = draw(shapes)
    strides = tuple(draw(st.sampled_from([0, 0, 1, 2, 3, 7])) for _ in shape)
    offset = draw(st.integers(0, 20))
    if draw(st.booleans()):
        return IndexMap(shape, offset, strides)
    reach = offset + sum(s * max(0, n - 1) for n, s in zip(shape, strides, strict=True)) + 1
    table = draw(hnp.arrays(np.int32, reach, elements=st.integers(-3, 40)))
    return IndexMap(shape, offset, strides, table)


def brute(m: IndexMap) -> np.ndarray:
    keys = np.full(m.shape, m.offset, dtype=np.int64)
    for index in np.ndindex(*m.shape):
        keys[index] += sum(s * i for s, i in zip(m.strides, index, strict=True))
    return keys if m.table is None else m.table[keys]


@given(st.one_of(maps(), maps(SHAPES)))
def test_array_is_the_formula(m):
    if m.size or m.table is None:
        np.testing.assert_array_equal(m.array(), brute(m))


@given(maps())
def test_compact_and_core_broadcast_to_the_array(m):
    np.testing.assert_array_equal(np.broadcast_to(m.compact(), m.shape), brute(m))
    np.testing.assert_array_equal(np.broadcast_to(m.core(), m.shape), brute(m))


@given(maps())
def test_bounds(m):
    values = brute(m)
    assert m.bounds() == (values.min(), values.max())


@given(hnp.arrays(np.int64, hnp.array_shapes(min_dims=0, max_dims=4, max_side=4, min_side=0),
                  elements=st.integers(-4, 4)))  # fmt: skip
def test_from_array_round_trip(array):
    np.testing.assert_array_equal(IndexMap.from_array(array).array(), array)


@given(maps())
def test_from_array_of_a_map_is_equal_to_it(m):
    again = IndexMap.from_array(m.array())
    assert again == m
    assert hash(again) == hash(m)


def test_from_array_finds_affine_and_constant_axes():
    array = np.broadcast_to(np.arange(5)[:, None] * 3 + 2, (4, 5, 6))
    m = IndexMap.from_array(array)
    assert (m.offset, m.strides, m.table) == (2, (0, 3, 0), None)
    assert IndexMap.from_array(np.array([0, 5, 1])).table is not None


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**40])
def test_from_array_keeps_wide_integers(value):
    array = np.array([0, value, 1])
    np.testing.assert_array_equal(IndexMap.from_array(array).array(), array)


def test_expand_follows_numpy():
    m = IndexMap.arange(3, 5).expand((2, 3))
    np.testing.assert_array_equal(m.array(), np.broadcast_to(np.arange(5, 8), (2, 3)))
    with pytest.raises(ValueError, match="cannot expand"):
        m.expand((2, 4))
    with pytest.raises(ValueError, match="cannot expand"):
        m.expand((3,))


def test_unequal_maps():
    assert IndexMap.arange(3) != IndexMap.arange(4)
    assert IndexMap.arange(3) != IndexMap.arange(3, 1)
    assert IndexMap.arange(3) != "arange"
    assert IndexMap((2, 2), 0, (0, 1)) != IndexMap((2, 2), 0, (1, 0))


def test_dense_strides():
    assert dense_strides((2, 1, 3)) == (3, 0, 1)


@given(maps(), st.integers(0, 9), st.sampled_from([np.int64, np.int32]))
def test_write_is_the_array(m, base, dtype):
    out = np.empty(m.size, dtype=dtype)
    write(out, m.shape, m, base)
    np.testing.assert_array_equal(out, brute(m).reshape(-1) + base)


BIG = st.lists(st.sampled_from([1, 2, 3, 7, 9, 64, 300, 2000]), min_size=1, max_size=4).filter(
    lambda s: np.prod(s) <= 300_000
)


@settings(max_examples=60, deadline=None)
@given(BIG, st.data())
def test_write_large_shapes(shape, data):
    """Tiles, ramps and blocks only start at some length."""
    shape = tuple(shape)
    strides = tuple(data.draw(st.sampled_from([0, 1, 5, -2])) for _ in shape)
    if data.draw(st.booleans()):
        strides = tuple(s or 1 for s in dense_strides(shape))
    m = IndexMap(shape, 11, strides)
    out = np.empty(m.size, dtype=np.int64)
    write(out, shape, m, 100)
    np.testing.assert_array_equal(out.reshape(shape), m.array() + 100)


def test_write_a_long_ramp_over_few_rows():
    m = IndexMap((2, 40_001), 3, (0, 2))
    out = np.empty(m.size, dtype=np.int32)
    write(out, m.shape, m)
    np.testing.assert_array_equal(out.reshape(m.shape), m.array())


@given(st.lists(st.integers(-(2**62), 2**62)))
def test_distinct_is_what_numpy_calls_unique(values):
    array = np.array(values, dtype=np.int64)
    np.testing.assert_array_equal(distinct(array), np.unique(array))


def test_cut_constant_leaves_what_varies():
    array = np.broadcast_to(np.arange(3)[:, None, None], (3, 2, 4))
    assert cut_constant(array).shape == (3, 1, 1)
    assert cut_constant(np.array([[[1, 1], [2, 2]]])).shape == (1, 2, 1)
