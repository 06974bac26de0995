"""What differs between two graphs: values, of any dtype, finite or not; properties."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_fx.drawing.compare import compare, draw_comparison, warnings_of
from gmn_fx.drawing.compare.measure import PIECE, measure
from gmn_fx.drawing.compare.scale import NOT_FINITE, look_of
from gmn_fx.graph.model import ParameterGraph
from tests.drawing.graphs import mlp
from tests.drawing.pairs import (
    check_union,
    renamed,
    valued,
    with_values,
)


def test_structure_only():
    a = mlp(values=False)
    found = compare(a, mlp(values=False))
    assert found.identical
    assert found.summary == "no difference: equal structure, no values to compare"
    half = compare(a, valued(a))
    assert not half.identical
    assert half.summary == "equal structure; values not compared: one of the graphs holds none"
    assert "holds no values" in warnings_of(half)[0]


def test_meta_and_missing_values():
    a = valued(mlp())
    b = replace(a, values={**a.values, "fc1.weight": torch.empty(8, 2, device="meta")})
    found = compare(a, b)
    assert found.slots[0].difference is None
    assert warnings_of(found) == ["the values of 1 parameter are missing and not compared"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.complex64])
def test_another_dtype(dtype):
    a = valued(mlp())
    b = with_values(a, fc1__weight=a.values["fc1.weight"].to(dtype))
    found = compare(a, b)
    assert not found.identical
    row = found.rows()[0]
    assert (row.name, row.state) == ("fc1.weight", "changed")
    assert row.notes == (f"float32 → {str(dtype).removeprefix('torch.')}",)
    assert row.difference is not None
    lossy = dtype in (torch.bfloat16, torch.float16)
    assert (row.difference.changed > 0) == lossy
    assert row.difference.relative < 0.01
    draw_comparison(found, view="architecture")


def test_nan_and_inf():
    a = valued(mlp())
    broken = a.values["fc2.weight"].clone()
    broken[3, 5] = math.nan
    broken[4, 0] = -math.inf
    broken[0, 0] += 1
    found = compare(a, with_values(a, fc2__weight=broken, fc1__weight=a.values["fc1.weight"] * 3))
    row = found.rows()[0]
    assert row.name == "fc2.weight"
    assert row.difference is not None
    assert row.difference.not_finite == 2
    assert row.difference.changed == 3
    assert row.difference.largest == math.inf
    assert row.place == (3, 5)
    assert math.isfinite(row.difference.relative)
    assert "most fc2.weight (2 nan or inf)" in found.summary
    assert look_of(row.state, row.difference) is NOT_FINITE
    both = with_values(a, fc2__weight=broken)
    assert compare(both, with_values(both, fc2__weight=broken.clone())).identical


@pytest.mark.parametrize(
    ("a", "b", "relative"),
    [
        ([0.0, 0.0], [1.0, 0.0], math.inf),
        ([3e38, 1.0], [-3e38, 1.0], 2.0),
        ([1e-40, 0.0], [3e-40, 0.0], 2.0),
        ([0.0], [-0.0], 0.0),
        ([3.0, 4.0], [3.0, 9.0], 1.0),
        ([1e-30], [1.0], 1e30),
        ([1.0], [1e-30], 1.0),
    ],
)
def test_extremes_of_float32(a, b, relative):
    found = measure(torch.tensor(a), torch.tensor(b))
    assert found.changed == 1
    assert found.relative == pytest.approx(relative, rel=1e-5)


@pytest.mark.parametrize(
    ("a", "b"),
    [([1.0], [2.8194700788891592e-15]), ([0.1, 0.7], [0.3, 1e-9]), ([16777216.0], [-0.1])],
)
def test_the_largest_is_exact_and_the_same_both_ways(a, b):
    a, b = torch.tensor(a), torch.tensor(b)
    exact = (a.double() - b.double()).abs()
    for found in (measure(a, b), measure(b, a)):
        assert found.largest == float(exact.max())
        assert found.place == int(exact.argmax())


def test_extremes_of_float64():
    found = measure(
        torch.tensor([1e300, 1e300], dtype=torch.float64),
        torch.tensor([1e300, 2e300], dtype=torch.float64),
    )
    assert found.relative == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(
    "dtype",
    [torch.bool, torch.uint8, torch.int64, torch.complex64, torch.complex128, torch.float16,
     torch.float8_e4m3fn, torch.uint16],
)  # fmt: skip
def test_dtypes(dtype):
    a = torch.tensor([0, 1, 1, 0]).to(torch.float32).to(dtype)
    b = torch.tensor([0, 1, 0, 0]).to(torch.float32).to(dtype)
    assert measure(a, a.clone()).changed == 0
    found = measure(a, b)
    assert (found.changed, found.place, found.largest) == (1, 2, 1.0)
    assert found.relative == pytest.approx(0.5**0.5)


def test_pieces_and_strides():
    rows, wide = 3, PIECE + 7
    a = torch.arange(rows * wide, dtype=torch.float32).reshape(rows, wide)
    b = a.clone()
    b[1, PIECE + 3] += 1e6
    b[2, 0] -= 1
    for one, two in ((a, b), (a.t().contiguous().t(), b), (a, b.t().contiguous().t())):
        found = measure(one, two)
        assert found.changed == 2
        assert found.place == wide + PIECE + 3
        delta, norm = (b - a).double().norm(), a.double().norm()
        assert found.relative == pytest.approx(float(delta / norm), rel=1e-4)


numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)


@st.composite
def graphs(draw: st.DrawFn) -> ParameterGraph:
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    graph = mlp(tuple(sizes), values=False)
    kept = draw(st.sampled_from(["", "net.", "model.net."]))
    graph = renamed(graph, kept)
    if draw(st.booleans()):
        return graph
    values = {}
    for slot in graph.slots:
        given = draw(st.lists(numbers, min_size=slot.numel, max_size=slot.numel))
        dtype = draw(st.sampled_from([torch.float32, torch.float64, torch.bfloat16]))
        values[slot.name] = torch.tensor(given).reshape(slot.shape).to(dtype)
    return graph.bind(values)


MIRROR = {"added": "removed", "removed": "added"}


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_every_graph_is_identical_to_itself(graph: ParameterGraph) -> None:
    copy = replace(graph, values={k: v.clone() for k, v in graph.values.items()})
    found = compare(graph, copy)
    assert found.identical
    check_union(found)


@settings(max_examples=120, deadline=None)
@given(graphs(), graphs())
def test_the_way_back_mirrors_the_way_there(a: ParameterGraph, b: ParameterGraph) -> None:
    there, back = compare(a, b), compare(b, a)
    check_union(there)
    check_union(back)
    assert there.identical == back.identical
    assert there.disjoint == back.disjoint
    for one, two in (
        (there.slots, back.slots),
        (there.groups, back.groups),
        (there.bundles, back.bundles),
    ):
        left = {(c.pair.a, c.pair.b, c.state) for c in one}
        right = {(c.pair.b, c.pair.a, MIRROR.get(c.state, c.state)) for c in two}
        assert left == right
    measured = {(c.pair.b, c.pair.a): c.difference for c in back.slots if c.difference is not None}
    for change in there.slots:
        if change.difference is not None:
            other = measured[change.pair.a, change.pair.b]
            assert change.difference.changed == other.changed
            assert change.difference.not_finite == other.not_finite
            assert change.difference.largest == other.largest
            assert change.difference.place == other.place


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=40),
    st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16]),
)
def test_measure_agrees_with_numbers_one_by_one(
    pairs: list[tuple[float, float]], dtype: torch.dtype
) -> None:
    a, b = (torch.tensor(side).to(dtype) for side in zip(*pairs, strict=True))
    found = measure(a, b)
    lines = list(zip(a.double().tolist(), b.double().tolist(), strict=True))
    bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[a.element_size()]
    differs = (a.view(bits) != b.view(bits)).tolist()
    assert found.changed == sum(differs)
    finite = [(x, y) for x, y in lines if math.isfinite(x) and math.isfinite(y)]
    assert found.not_finite == sum(
        d and not (math.isfinite(x) and math.isfinite(y))
        for d, (x, y) in zip(differs, lines, strict=True)
    )
    if not found.not_finite:
        assert found.largest == pytest.approx(
            max((abs(y - x) for x, y in finite), default=0.0), rel=1e-5
        )
    norm = math.hypot(*(x for x, _ in finite))
    delta = math.hypot(*(y - x for x, y in finite))
    wanted = delta / norm if norm else (math.inf if delta else 0.0)
    if found.changed:
        assert found.relative == pytest.approx(wanted, rel=1e-4)
