"""Stride-0 book-keeping against element-by-element definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gmn_fx.lowering.axes import (
    combine_keys,
    compress,
    core,
    cut,
    freeze,
    full,
    rank_first_seen,
    rank_rows,
    varying,
)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Small integer tensors, constant along a random choice of axes, some with stride 0."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    kept = [n if draw(st.booleans()) else 1 for n in shape]
    size = int(np.prod(kept))
    values = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    out = torch.tensor(values).reshape(kept).expand(shape)
    return out.clone() if draw(st.booleans()) else out


def varies(t: Tensor, axis: int) -> bool:
    return not bool((t == t.narrow(axis, 0, 1)).all())


@given(tensors())
@settings(max_examples=150, deadline=None)
def test_compress_changes_no_value_and_finds_every_constant_axis(t: Tensor) -> None:
    small = compress(t)
    assert torch.equal(small, t)
    assert varying(small) == {a for a in range(t.dim()) if varies(t, a)}
    assert core(small).shape == tuple(n if varies(t, a) else 1 for a, n in enumerate(t.shape))
    assert torch.equal(core(small).expand(t.shape), t)


@given(tensors(), st.sets(st.integers(0, 2)))
@settings(max_examples=100, deadline=None)
def test_cut_and_freeze_take_index_zero(t: Tensor, keep: set[int]) -> None:
    index = tuple(slice(None) if a in keep else slice(0, 1) for a in range(t.dim()))
    assert torch.equal(cut(t, keep), t[index])
    assert torch.equal(freeze(t, keep), t[index].expand(t.shape))
    assert varying(freeze(t, keep)) <= keep


def test_core_is_a_view_and_full_owns_one_element() -> None:
    t = torch.arange(3).reshape(3, 1).expand(3, 1000)
    assert core(t).data_ptr() == t.data_ptr()
    assert core(t).shape == (3, 1)
    assert full(7, (4, 5)).untyped_storage().nbytes() == 8
    assert full(7, (4, 5)).unique().tolist() == [7]


def test_empty_tensors_pass() -> None:
    assert compress(torch.empty(0, 3, dtype=torch.int64)).shape == (0, 3)


def first_seen(keys: list) -> tuple[list[int], list[int]]:
    order: dict = {}
    for i, k in enumerate(keys):
        order.setdefault(k, i)
    number = {k: n for n, k in enumerate(order)}
    return [number[k] for k in keys], list(order.values())


@given(st.lists(st.integers(-5, 5), max_size=30))
@settings(max_examples=150, deadline=None)
def test_rank_first_seen_numbers_by_first_appearance(keys: list[int]) -> None:
    inverse, first = rank_first_seen(np.array(keys, dtype=np.int64))
    assert (inverse.tolist(), first.tolist()) == first_seen(keys)


@given(st.lists(st.tuples(*[st.integers(-2, 2)] * 2), max_size=20))
@settings(max_examples=150, deadline=None)
def test_rank_rows_numbers_equal_rows_alike(rows: list[tuple[int, int]]) -> None:
    inverse, first = rank_rows(np.array(rows, dtype=np.int64).reshape(-1, 2))
    assert (inverse.tolist(), first.tolist()) == first_seen(rows)


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (4, 0)])
def test_rank_rows_of_degenerate_shapes(shape: tuple[int, int]) -> None:
    inverse, first = rank_rows(np.zeros(shape, dtype=np.int64))
    assert inverse.tolist() == [0] * shape[0]
    assert first.tolist() == [0][: shape[0]]


BIG = st.sampled_from([0, 1, 2, -1, 2**40, 2**62, -(2**62)])


@given(st.lists(st.tuples(BIG, BIG, BIG), min_size=1, max_size=20))
@settings(max_examples=150, deadline=None)
def test_combined_keys_are_equal_exactly_for_equal_rows(rows: list[tuple[int, ...]]) -> None:
    key = combine_keys([np.array(c, dtype=np.int64) for c in zip(*rows, strict=True)])
    for i, j in itertools.combinations(range(len(rows)), 2):
        assert (key[i] == key[j]) == (rows[i] == rows[j])
