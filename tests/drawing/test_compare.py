"""What differs between two graphs: what is which, and the union of both."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gmn_fx.drawing.compare import compare, warnings_of
from gmn_fx.drawing.compare.names import match_names
from gmn_fx.drawing.text import TIMES
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import ParameterGraph
from tests.drawing.graphs import Maker, mlp, residual_net
from tests.drawing.pairs import (
    check_union,
    gpt,
    of_state,
    renamed,
    states,
    valued,
    with_values,
)


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
