"""Elementwise ops of several operands: a node for each distinct combination."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gmn_fx.lowering import Act, Builder
from gmn_fx.lowering.axes import varying
from gmn_fx.lowering.join import Spec, join
from gmn_fx.lowering.movement import move
from tests.lowering.helpers import builder, data, edges, neurons, only, par

ADD, SUB = Spec("add", (-1, -1)), Spec("sub", (0, 1))


def picked(b: Builder, ids: list[int], axis: int = 1) -> Act:
    """Neurons 0.. read in the order `ids`."""
    shape = [len(ids) if a == axis else 1 for a in range(2)]
    return b.act(shape, [torch.tensor(ids).reshape(shape)])


IDS = st.lists(st.integers(0, 3), min_size=2, max_size=6)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(4, 7)), min_size=2, max_size=8))
@settings(max_examples=120, deadline=None)
def test_a_node_for_each_distinct_pair(pairs: list[tuple[int, int]]) -> None:
    # one neuron at several places without an origin is data of as many positions: another case
    assume(len({p for p, _ in pairs}) > 1 and len({q for _, q in pairs}) > 1)
    b = builder()
    b.nodes("neuron", "made", (8,))
    left, right = (picked(b, list(side)) for side in zip(*pairs, strict=True))
    out = b.canonical(join(b, [left, right], (1, len(pairs)), SUB))
    into: dict[int, set] = {}
    for e in edges(b):
        into.setdefault(e.dst, set()).add((e.operand, e.src))
    got = [into[i] for i in only(out)[0].tolist()]
    assert got == [{(0, p), (1, q)} for p, q in pairs]
    assert len(into) == len(set(pairs))


@given(IDS, IDS)
@settings(max_examples=60, deadline=None)
def test_broadcasting_operands_make_the_outer_product(left: list[int], right: list[int]) -> None:
    assume(len(set(left)) > 1 and len(set(right)) > 1)
    b = builder()
    b.nodes("neuron", "made", (4,))
    x, y = picked(b, left, 0), picked(b, right, 1)
    out = join(b, [x, y], (len(left), len(right)), Spec("mul", (-1, -1)))
    # Factors over axes of their own stay apart: the pair is the node.
    assert [varying(f) <= {a} for a, f in enumerate(out.factors)] == [True, True]
    assert [f.select(1 - a, 0).tolist() for a, f in enumerate(out.factors)] == [left, right]


def test_table_and_column_make_a_node_a_cell() -> None:
    b = builder()
    table = b.act((2, 3), [b.nodes("neuron", "A", (2, 3))])  # A[d, n]
    column = neurons(b, (2, 1), 0)  # dt[d, 1]
    out = join(b, [table, column], (2, 3), Spec("mul", (-1, -1)))
    assert torch.equal(only(out), torch.arange(8, 14).reshape(2, 3))
    found = edges(b)
    assert {(e.src, e.dst) for e in found} == {(i, 8 + i) for i in range(6)} | {
        (6 + i // 3, 8 + i) for i in range(6)
    }


def test_commuting_operands_are_equal_and_others_are_not() -> None:
    for spec, operands, kind in [(ADD, {-1}, "flow"), (SUB, {0, 1}, "operand")]:
        b = builder()
        join(b, [neurons(b, (2, 3), 1), neurons(b, (2, 3), 1)], (2, 3), spec)
        assert {e.operand for e in edges(b)} == operands
        assert {bundle.kind for bundle in b.store.bundles} == {kind}


def test_histories_of_the_operands_lie_on_their_edges() -> None:
    b = builder()
    x, y = b.step(neurons(b, (2, 2), 1), "silu"), neurons(b, (2, 2), 1)
    out = join(b, [x, y], (2, 2), Spec("mul", (-1, -1)))
    assert {(e.src, e.history) for e in edges(b)} == {(0, "silu"), (1, "silu"), (2, ""), (3, "")}
    assert int(out.hist.max()) == 0


def test_one_neuron_with_itself_is_a_step_of_its_history() -> None:
    b = builder()
    x = neurons(b, (2, 3), 1)
    out = join(b, [x, b.step(x, "sigmoid")], (2, 3), Spec("mul", (-1, -1)))
    assert b.store.bundles == []
    assert b.store.histories[int(out.hist[0, 0])] == "mul(x , sigmoid)"
    swapped = join(b, [b.step(x, "sigmoid"), x], (2, 3), Spec("mul", (-1, -1)))
    assert torch.equal(swapped.hist, out.hist)  # it commutes
    one = join(b, [x, b.step(x, "exp")], (2, 3), SUB)
    two = join(b, [b.step(x, "exp"), x], (2, 3), SUB)
    assert not torch.equal(one.hist, two.hist)  # it does not


def test_a_neuron_with_another_position_of_itself_is_not_one_neuron() -> None:
    b = builder()
    x = neurons(b, (2, 4, 3), 2)
    left, right = (move(b, lambda t, i=i: t[:, i : i + 3], x) for i in (0, 1))
    out = join(b, [left, right], (2, 3, 3), ADD)
    found = edges(b)
    assert len(found) == 6
    # Twins: the same neurons with the same history, told apart all the same.
    assert {e.operand for e in found} == {0, 1}
    assert only(out)[0, 0].tolist() == [3, 4, 5]


def test_only_one_operand_has_neurons() -> None:
    b = builder()
    out = join(b, [neurons(b, (2, 3), 1), data((2, 1), "t")], (2, 3), SUB)
    assert only(out)[0].tolist() == [0, 1, 2]
    assert b.store.histories[int(out.hist[0, 0])] == "sub as operand 0[#0]"
    assert b.store.bundles == []


def test_data_along_an_axis_of_neurons_gets_pinned_nodes() -> None:
    b = builder()
    join(b, [neurons(b, (2, 3), 1), data((2, 3), "t")], (2, 3), ADD)
    pinned = [g for g in b.store.groups if g.pinned]
    assert [(g.kind, g.size) for g in pinned] == [("input", 3)]


def test_a_bias_is_on_edges_from_a_bias_node() -> None:
    b = builder(bias=(3,))
    out = join(b, [neurons(b, (2, 3), 1)], (2, 3), Spec("add", (-1, -1)), par(b, "bias"))
    found = [e for e in edges(b) if e.slot]
    assert [(e.slot, e.index) for e in found] == [("bias", i) for i in range(3)]
    assert [e.dst for e in found] == only(out)[0].tolist()
    assert len({e.src for e in found}) == 1


def test_a_gain_is_on_the_edges_of_its_neurons() -> None:
    b = builder(gain=(3,))
    spec = Spec("mul", (-1, -1), par_kind="gain", par_owner=0)
    out = join(b, [neurons(b, (2, 3), 1)], (2, 3), spec, par(b, "gain"))
    assert [(e.src, e.dst, e.index) for e in edges(b)] == [(i, 3 + i, i) for i in range(3)]
    assert only(out)[0].tolist() == [3, 4, 5]


def test_a_position_table_makes_nodes_that_may_merge() -> None:
    b = builder(table=(4, 3))
    out = join(b, [neurons(b, (2, 4, 3), 2)], (2, 4, 3), Spec("add", (-1, -1)), par(b, "table"))
    assert len(torch.unique(only(out))) == 12  # first a node for each distinct combination
    assert varying(out.pos) == {1}
    merged = b.merge_along(only(out), [1])
    assert varying(merged) == {2}
    assert len(torch.unique(b.store.find(merged))) == 3


def test_a_residual_says_which_operand_is_the_stream() -> None:
    b = builder()
    x, y = neurons(b, (2, 3), 1), neurons(b, (2, 3), 1)
    join(b, [x, y], (2, 3), Spec("residual", (-1, -1)))
    assert [bundle.kind for bundle in b.store.bundles] == ["residual", "flow"]


def test_a_history_that_differs_by_channel_differs_on_the_edges() -> None:
    b = builder()
    x, y = neurons(b, (2, 2), 1), neurons(b, (2, 2), 1)
    x = replace(x, hist=torch.tensor([[b.store.history("a"), b.store.history("b")]]).expand(2, 2))
    join(b, [x, y], (2, 2), ADD)
    assert [e.history for e in edges(b)] == ["a", "b", "", ""]
