"""What differs between two graphs: matching, measuring, the union, and its picture."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_fx.drawing import draw
from gmn_fx.drawing.architecture import architecture_dot
from gmn_fx.drawing.compare import Comparison, compare, draw_comparison, warnings_of
from gmn_fx.drawing.compare.measure import PIECE, measure
from gmn_fx.drawing.compare.names import match_names
from gmn_fx.drawing.compare.picture import delta_graph, overlay_of
from gmn_fx.drawing.compare.scale import ADDED, NOT_FINITE, REMOVED, RESIZED, SAME, STEPS, look_of
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.text import TIMES
from gmn_fx.errors import DrawError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import ParameterGraph
from tests.drawing.graphs import Maker, mlp, residual_net, transformer
from tests.drawing.pictures import assert_stands_alone, parse
from tests.drawing.test_hostile import HOSTILE, poisoned

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


# ---- alignment


def test_a_graph_and_itself():
    graph = valued(residual_net())
    found = compare(graph, graph)
    assert found.identical
    assert found.same_structure
    assert found.rows() == []
    assert found.summary == "no difference: equal structure, 8 parameters with equal values"
    assert len(found.rows(everything=True)) == 8
    check_union(found)
    assert found.union.groups == graph.groups
    assert found.union.bundles == graph.bundles


def test_fine_tuned():
    a = valued(residual_net())
    b = with_values(a, head__weight=a.values["head.weight"] * 1.5)
    found = compare(a, b)
    assert not found.identical
    assert of_state(found, "changed") == {"head.weight"}
    (row,) = found.rows()
    assert row.difference is not None
    assert row.difference.relative == pytest.approx(0.5)
    assert row.difference.changed == 6
    assert row.difference.elements == 6
    top = int(a.values["head.weight"].abs().argmax())
    assert row.place == (top // 3, top % 3)
    assert row.difference.before == pytest.approx(float(a.values["head.weight"].flatten()[top]))
    assert found.summary == (
        "equal structure; 1 of 8 parameters changed, most head.weight (relative 0.5)"
    )
    changed = {found.union.groups[k].name for k, c in enumerate(found.groups) if c.state != "same"}
    assert changed == {"head"}
    assert [
        found.union.bundles[k].slot for k, c in enumerate(found.bundles) if c.state != "same"
    ] == ["head.weight"]


def test_rows_are_sorted_by_change():
    a = valued(mlp())
    b = with_values(
        a,
        fc1__weight=a.values["fc1.weight"] * 1.1,
        fc2__weight=a.values["fc2.weight"] * 1.7,
        fc3__bias=a.values["fc3.bias"] * 1.3,
    )
    assert [r.name for r in compare(a, b).rows()] == ["fc2.weight", "fc3.bias", "fc1.weight"]


def test_an_extra_block():
    a, b = gpt(), gpt(layers=3)
    found = compare(a, b)
    check_union(found)
    assert not found.same_structure
    added = of_state(found, "added")
    assert len(added) == 12
    assert all(name.startswith("transformer.h.2.") for name in added)
    assert of_state(found, "same") == {s.name for s in a.slots}
    groups = {found.union.groups[k].name for k, c in enumerate(found.groups) if c.state == "added"}
    assert groups
    assert all(name.startswith("transformer.h.2") for name in groups)
    assert not any(c.state == "removed" for c in found.groups)
    # What followed the last block reads another one now.
    at = next(k for k, x in enumerate(found.union.bundles) if x.slot == "transformer.ln_f.weight")
    assert found.bundles[at].state == "rewired"
    assert "another source" in found.bundles[at].notes
    assert "12 parameters added" in found.summary
    assert "all shared values equal" in found.summary


def test_a_block_put_in_front_keeps_its_order():
    """Blocks are matched by name, and what b adds stands where it stands in b."""
    found = compare(gpt(), gpt(layers=3))
    names = [g.name for g in found.union.groups]
    last = max(k for k, n in enumerate(names) if n.startswith("transformer.h.2"))
    assert names[last + 1].startswith("transformer.ln_f")


@pytest.mark.parametrize("prefix", ["model.", "base_model.model.", "_orig_mod.", "a.b.c."])
def test_a_renamed_prefix(prefix):
    a = gpt()
    for one, two in ((a, renamed(a, prefix)), (renamed(a, prefix), a)):
        found = compare(one, two)
        check_union(found)
        assert found.same_structure
        assert not found.identical
        assert set(states(found).values()) == {"same"}
        assert f"{len(a.slots)} parameters renamed" in found.summary
        assert {s.name for s in found.union.slots} == {s.name for s in one.slots}


def test_a_renamed_prefix_and_an_extra_block():
    a, b = gpt(), renamed(gpt(layers=3), "base_model.model.")
    b = replace(b, values={s.name: a.values.get(s.name[17:], torch.ones(s.shape)) for s in b.slots})
    found = compare(a, b)
    check_union(found)
    assert len(of_state(found, "added")) == 12
    # What is new is named as its neighbours are.
    assert all(name.startswith("transformer.h.2.") for name in of_state(found, "added"))
    assert not of_state(found, "removed")
    assert not of_state(found, "changed")


def lora(rank: int = 2, values: bool = True) -> ParameterGraph:
    """`mlp((2, 8, 1))` as a LoRA wrapper leaves it: other names, a low-rank path into fc1."""
    make = Maker()
    front = "base_model.model."
    first = make.pin(make.group("input", "input", 2, depth=0), 0)
    base = make.group("neuron", "linear", 8, f"{front}fc1.base_layer", 1)
    make.dense(first, base, f"{front}fc1.base_layer.weight")
    make.line(make.group("bias", "linear", 1, f"{front}fc1.base_layer", 0), base, "bias", "linear",
              f"{front}fc1.base_layer.bias")  # fmt: skip
    down = make.group("neuron", "linear", rank, f"{front}fc1.lora_A.default", 1)
    make.dense(first, down, f"{front}fc1.lora_A.default.weight")
    up = make.group("neuron", "linear", 8, f"{front}fc1.lora_B.default", 2)
    make.dense(down, up, f"{front}fc1.lora_B.default.weight")
    total = make.group("sum", "add", 8, f"{front}fc1", 3)
    make.line(base, total, "flow", "add")
    make.line(up, total, "flow", "add")
    last = make.pin(make.group("neuron", "linear", 1, f"{front}fc2", 4), 1)
    make.dense(total, last, f"{front}fc2.weight")
    make.line(make.group("bias", "linear", 1, f"{front}fc2", 3), last, "bias", "linear",
              f"{front}fc2.bias")  # fmt: skip
    return make.graph("mlp with lora", values)


def test_lora_added():
    a = valued(mlp((2, 8, 1)))
    b = lora()
    inner = {"fc1.weight": "fc1.base_layer.weight", "fc1.bias": "fc1.base_layer.bias"}
    shared = {f"base_model.model.{inner.get(n, n)}": v for n, v in a.values.items()}
    b = replace(b, values={**b.values, **shared})
    found = compare(a, b)
    check_union(found)
    assert of_state(found, "added") == {
        "fc1.lora_A.default.weight",
        "fc1.lora_B.default.weight",
    }
    assert of_state(found, "same") == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}
    assert not of_state(found, "removed")
    added = {found.union.groups[k].name for k, c in enumerate(found.groups) if c.state == "added"}
    assert added == {"fc1.lora_A.default", "fc1.lora_B.default", "fc1"}


def test_a_resized_layer():
    found = compare(valued(mlp((2, 8, 8, 1))), valued(mlp((2, 8, 12, 1))))
    check_union(found)
    assert of_state(found, "resized") == {"fc2.weight", "fc2.bias", "fc3.weight"}
    sizes = {g.name: g.size for g in found.union.groups if g.kind == "neuron"}
    assert sizes == {"fc1": 8, "fc2": 12, "fc3": 1}
    row = next(r for r in found.rows() if r.name == "fc2.weight")
    assert (row.before, row.after) == ((8, 8), (12, 8))
    assert row.difference is None
    assert f"8{TIMES}8 → 12{TIMES}8" in row.notes
    at = next(k for k, g in enumerate(found.union.groups) if g.name == "fc2" and g.size == 12)
    assert found.groups[at].notes == ("8 → 12",)
    assert "3 parameters resized" in found.summary


def test_another_activation():
    a = valued(mlp())
    b = replace(a, histories=("", "gelu"))
    found = compare(a, b)
    assert not found.same_structure
    assert set(states(found).values()) == {"same"}
    notes = {c.notes for c in found.bundles if c.state == "rewired"}
    assert notes == {("after relu → gelu",)}
    assert "2 bundles rewired" in found.summary
    assert found.union.histories == ("", "relu", "gelu")


def test_disjoint():
    a, b = gpt(), valued(residual_net())
    found = compare(a, b)
    check_union(found)
    assert found.disjoint
    assert found.summary.startswith("nothing in common")
    assert "no parameter in common" in warnings_of(found)[0]
    assert not compare(a, a).disjoint


def test_tied_parameters():
    make = Maker()
    table = make.group("vocabulary", "embedding", 5, "wte")
    inner = make.group("neuron", "embedding", 3, "wte")
    make.dense(table, inner, "wte.weight", "embedding")
    head = make.group("neuron", "linear", 5, "head")
    weight = make.bundles[0]
    make.bundles.append(
        replace(
            weight,
            kind="weight",
            op="linear",
            shape=(5, 3),
            src=IndexMap((1, 3), inner.start, (0, 1)).expand((5, 3)),
            dst=IndexMap((5, 1), head.start, (1, 0)).expand((5, 3)),
            view=IndexMap((5, 3), 0, (1, 5)),
        )
    )
    a = make.graph("tied")
    a = replace(a, slots=(replace(a.slots[0], aliases=("head.weight",)),))
    b = with_values(a, wte__weight=a.values["wte.weight"] + 1)
    found = compare(a, b)
    assert [c.state for c in found.slots] == ["changed"]
    assert [c.state for c in found.bundles] == ["changed", "changed"]
    # The name of the tie is part of what a model is.
    loose = replace(a, slots=(replace(a.slots[0], aliases=()),))
    assert compare(a, loose).rows()[0].notes == ("no longer tied to head.weight",)


def test_part_of_a_slot_changes_one_bundle():
    """Query, key and value in one parameter: only the bundle whose part changed is changed."""
    make = Maker()
    first = make.group("input", "input", 2)
    outs = [make.group("neuron", "linear", 3, name) for name in "qkv"]
    slot = make.slot("qkv.weight", (9, 2))
    whole = Maker()
    for k, out in enumerate(outs):
        shape = (3, 2)
        whole.bundles.append(
            replace(
                mlp().bundles[0],
                shape=shape,
                src=IndexMap((1, 2), first.start, (0, 1)).expand(shape),
                dst=IndexMap((3, 1), out.start, (1, 0)).expand(shape),
                slot=slot.name,
                view=IndexMap(shape, 6 * k, (2, 1)),
            )
        )
    make.bundles = whole.bundles
    a = make.graph("qkv")
    after = a.values["qkv.weight"].clone()
    after[4, 1] += 5
    found = compare(a, a.bind({"qkv.weight": after}))
    assert [c.state for c in found.bundles] == ["same", "changed", "same"]
    difference = found.bundles[1].difference
    assert difference is not None
    assert (difference.elements, difference.changed, difference.place) == (6, 1, 9)
    # Transposed storage reads the same elements.
    turned = after.t().contiguous().t()
    again = compare(a, replace(a, values={"qkv.weight": turned}))
    assert again.bundles[1].difference == difference


# ---- values


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
    ],
)
def test_extremes_of_float32(a, b, relative):
    found = measure(torch.tensor(a), torch.tensor(b))
    assert found.changed == 1
    assert found.relative == pytest.approx(relative, rel=1e-5)


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


# ---- properties


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


# ---- names


def test_names_are_matched_exactly_first():
    a = [("x.weight", (2,)), ("y.x.weight", (2,))]
    found, _ = match_names(a, list(reversed(a)))
    assert found == {0: 1, 1: 0}


def test_endings_alone_match_nothing():
    found, _ = match_names([("head.weight", (2, 3))], [("tail.weight", (2, 3))])
    assert found == {}


def test_a_part_put_in_must_keep_the_shape():
    name, inner = "fc.weight", "fc.base_layer.weight"
    assert match_names([(name, (2, 3))], [(inner, (2, 3))])[0] == {0: 0}
    assert match_names([(name, (2, 3))], [(inner, (2, 4))])[0] == {}


# ---- pictures


def test_colours_follow_the_change():
    a = valued(mlp((2, 8, 8, 8, 8, 1)))
    factors = {"fc1.weight": 1.0005, "fc2.weight": 1.05, "fc3.weight": 1.5, "fc4.weight": 4.0}
    b = a.bind({n: v * factors.get(n, 1.0) for n, v in a.values.items()})
    overlay = overlay_of(compare(a, b))
    colors = {b.bundles[k].slot: c.color for k, c in overlay.bundles.items()}
    scale = [look.color for _, look in STEPS]
    assert colors == {
        "fc1.weight": scale[0],
        "fc2.weight": scale[2],
        "fc3.weight": scale[3],
        "fc4.weight": scale[4],
    }
    texts = {b.bundles[k].slot: c.text for k, c in overlay.bundles.items()}
    assert texts["fc2.weight"] == "weight Δ 5 %"
    assert texts["fc4.weight"] == "weight Δ 300 %"
    legend = [e.text for e in overlay.entries]
    assert legend == ["unchanged", "Δ ≤ 0.1 %", "Δ ≤ 10 %", "Δ ≤ 100 %", "Δ > 100 %"]


def test_states_look_different():
    looks = [SAME, *(k for _, k in STEPS), NOT_FINITE, RESIZED, ADDED, REMOVED]
    assert len({k.color for k in looks}) == len(looks)
    assert len({k.dark for k in looks}) == len(looks)
    assert (REMOVED.style, ADDED.style) == ("dashed", "bold")


def test_the_picture_says_what_differs(only_pygraphviz, tmp_path):
    a, b = gpt(), gpt(layers=3)
    text = draw(a, tmp_path / "x.svg", other=b, view="architecture")
    assert (tmp_path / "x.svg").read_text() == text
    said = " ".join("".join(parse(text).itertext()).split())
    for wanted in ("only in b", "only in a", "unchanged", "12 parameters added", "gpt2: a → b"):
        assert wanted in said
    assert ADDED.color.lower() in text.lower()
    tip = "\n".join(c.about for c in overlay_of(compare(a, b)).bundles.values())
    assert "another source" in tip


def test_tooltips_have_shapes_and_numbers():
    a = valued(mlp((2, 8, 8, 1)))
    b = with_values(a, fc1__bias=a.values["fc1.bias"] + 1)
    (change,) = overlay_of(compare(a, b)).bundles.values()
    assert "8 of 8 elements differ; most at [" in change.about
    wide = overlay_of(compare(a, valued(mlp((2, 8, 12, 1)))))
    assert any(f"8{TIMES}8 in a, 12{TIMES}8 in b" in c.about for c in wide.bundles.values())


@pytest.mark.parametrize("ending", ["svg", "dot", "png", "pdf"])
def test_all_formats(ending, only_pygraphviz, tmp_path):
    a = gpt()
    b = gpt(layers=3)
    draw(a, tmp_path / f"x.{ending}", other=b)
    assert (tmp_path / f"x.{ending}").stat().st_size > 1000


def test_identical_graphs_are_drawn_pale():
    graph = valued(mlp())
    overlay = overlay_of(compare(graph, graph))
    assert not overlay.groups
    assert not overlay.bundles
    assert overlay.rest == SAME.color
    assert overlay.subtitle == "no difference"
    dot = architecture_dot(graph, overlay=overlay)
    assert SAME.color in dot
    assert "no difference" in draw(graph, other=graph)


def test_small_graphs_show_b_minus_a():
    a = valued(mlp((2, 3, 1)))
    b = with_values(a, fc1__weight=a.values["fc1.weight"] + 0.25)
    delta = delta_graph(compare(a, b))
    assert torch.allclose(delta.values["fc1.weight"], torch.full((3, 2), 0.25).double())
    assert not delta.values["fc2.weight"].any()
    assert delta.name == "b \u2212 a: mlp: a → b"
    said = " ".join("".join(parse(draw(a, other=b)).itertext()).split())
    assert "b \u2212 a: mlp" in said
    assert draw(a, other=b) == draw(a, other=b, view="neuron")


def test_equal_infinite_values_vanish():
    a = valued(mlp((2, 3, 1)))
    a = with_values(a, fc1__bias=torch.tensor([math.inf, 1.0, 2.0]))
    b = with_values(a, fc2__bias=torch.tensor([9.0]))
    assert not delta_graph(compare(a, b)).values["fc1.bias"].any()


def test_neurons_need_something_to_subtract():
    a = valued(mlp((2, 3, 1)))
    with pytest.raises(DrawError, match="differ in structure") as caught:
        draw(a, other=valued(mlp((2, 4, 1))), view="neuron")
    assert "architecture" in caught.value.hint
    with pytest.raises(DrawError, match="no values"):
        draw(a, other=mlp((2, 3, 1), values=False), view="neuron")
    with pytest.raises(DrawError, match="unknown view"):
        draw(a, other=a, view="cubist")  # type: ignore[arg-type]


def test_nothing_to_draw():
    empty = ParameterGraph("empty", (), (), ())
    assert compare(empty, empty).identical
    with pytest.raises(DrawError, match="no nodes"):
        draw(empty, other=empty)


def test_an_empty_graph_and_another():
    found = compare(ParameterGraph("empty", (), (), ()), valued(mlp()))
    check_union(found)
    assert found.disjoint
    assert "only in b" in draw_comparison(found, view="architecture")


def test_alike_blocks_that_changed_apart_are_drawn_apart():
    a = gpt(layers=4)
    name = "transformer.h.2.mlp.c_fc.weight"
    b = a.bind({**a.values, name: a.values[name] * 1.3})
    dot = architecture_dot(a, overlay=overlay_of(compare(a, b)))
    assert "weight Δ 30 %" in dot


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names(name, only_pygraphviz):
    a = poisoned(name)
    b = poisoned("other" + name)
    b = replace(b, values={k: v + 1 for k, v in b.values.items()})
    for one, two in ((a, b), (a, replace(a, values={k: v + 1 for k, v in a.values.items()}))):
        found = compare(one, two)
        for view in ("architecture", "neuron") if found.same_structure else ("architecture",):
            picture = draw_comparison(found, view=view)
            assert_stands_alone(picture)
            assert parse(picture).tag.endswith("svg")
        assert isinstance(found.summary, str)


def test_memory_and_edges_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing lists no edges."""

    def refuse(*_: object) -> None:
        raise AssertionError("edges were listed")

    monkeypatch.setattr("gmn_fx.graph.values.edge_values", refuse)
    monkeypatch.setattr("gmn_fx.graph.arrays.materialise", refuse)
    a = gpt()
    assert not compare(a, a.bind({k: v + 1 for k, v in a.values.items()})).identical


def test_files_are_whole_or_absent(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot"):
        draw(gpt(), tmp_path / "missing" / "x.svg", other=gpt(layers=3))
    assert list(tmp_path.iterdir()) == []
