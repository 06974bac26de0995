"""Movement is free; only a clash of factors, a concatenation of positions, costs nodes."""

from __future__ import annotations

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_fx.lowering import Act, Builder, Const
from gmn_fx.lowering.axes import varying
from gmn_fx.lowering.movement import cat, const, move, settle
from gmn_fx.lowering.values import blank
from tests.lowering.helpers import builder, data, edges, neurons, only


def grid(b: Builder, heads: int = 2, units: int = 3) -> Act:
    """Neurons (h, j) as two independent factors."""
    h = b.nodes("neuron", "head", (1, heads, 1))
    j = b.nodes("neuron", "unit", (1, 1, units))
    return b.act((5, heads, units), [h, j])


def test_moves_cost_nothing() -> None:
    b = builder()
    x = neurons(b, (2, 3, 4), 2)
    y = move(b, lambda t: t.transpose(1, 2).reshape(2, 2, 2, 3).flip(1), x)
    assert (b.store.bundles, b.store.size) == ([], 4)
    real = torch.arange(4).expand(2, 3, 4).transpose(1, 2).reshape(2, 2, 2, 3).flip(1)
    assert torch.equal(only(y), real)
    assert varying(only(y)) == {1, 2}


def test_a_move_with_several_results() -> None:
    b = builder()
    parts = move(b, lambda t: t.chunk(2, -1), neurons(b, (2, 4), 1))
    assert [only(p)[0].tolist() for p in parts] == [[0, 1], [2, 3]]


def test_independent_factors_stay_apart_while_they_can() -> None:
    b = builder()
    y = move(b, lambda t: t.permute(2, 0, 1), grid(b))
    assert [varying(f) for f in y.factors] == [{2}, {0}]
    assert b.store.bundles == []


def test_a_clash_makes_a_node_for_each_pair() -> None:
    b = builder()
    y = move(b, lambda t: t.flatten(1), grid(b))
    assert torch.equal(only(y)[0], torch.arange(5, 11))
    assert b.store.groups[-1].kind == "product"
    found = edges(b)
    for h, j in itertools.product(range(2), range(3)):
        into = sorted((e.src, e.operand) for e in found if e.dst == 5 + 3 * h + j)
        assert into == [(h, 0), (2 + j, 1)]
    assert len(found) == 12


def test_constants_move_and_are_known_by_value() -> None:
    b = builder()
    c = const(b, torch.tensor([1.0, 2.0]))
    assert move(b, lambda t: t.flip(0), c).value.tolist() == [2.0, 1.0]
    assert const(b, torch.tensor([1.0, 2.0])).key == c.key
    assert const(b, torch.tensor([1.0, 3.0])).key != c.key
    assert const(b, torch.tensor([1.0, 2.0], dtype=torch.float64)).key != c.key


def test_features_side_by_side_make_no_nodes() -> None:
    b = builder()
    x, y = neurons(b, (2, 3), 1), neurons(b, (2, 2), 1)
    out = cat(b, [x, y], 1, lambda *ts: torch.cat(ts, 1))
    assert only(out)[0].tolist() == [0, 1, 2, 3, 4]
    assert b.store.bundles == []


def test_features_beside_constants_get_constant_nodes() -> None:
    for value, pinned in ((torch.zeros(2, 2), False), (torch.arange(2.0).expand(2, 2), True)):
        b = builder()
        out = cat(b, [neurons(b, (2, 3), 1), const(b, value)], 1, lambda *ts: torch.cat(ts, 1))
        assert only(out)[0].tolist() == [0, 1, 2, 3, 4]
        (group,) = [g for g in b.store.groups if g.kind == "constant"]
        assert group.pinned is pinned
        # What they all are stands on the edges into them, so that zeros are not ones.
        assert {e.history for e in edges(b)} == (set() if pinned else {"mul(0.0)"})


def test_data_beside_constants_leaves_them_free() -> None:
    b = builder()
    data = blank((2, 3), "x")
    out = cat(b, [data, const(b, torch.zeros(2, 2))], 1, lambda *ts: torch.cat(ts, 1))
    assert out.factors == ()
    ids = b.pin_axes(out, [1])
    assert ids[0].tolist()[:3] == b.pin_axes(data, [1])[0].tolist()
    assert [(g.kind, g.pinned) for g in b.store.groups if g.kind != "bias"] == [
        ("input", True), ("constant", False)]  # fmt: skip


def test_positions_one_after_the_other_keep_which_part_they_are() -> None:
    b = builder()
    token, patches = neurons(b, (2, 1, 3), 2), neurons(b, (2, 4, 3), 2)
    out = cat(b, [token, patches], 1, lambda *ts: torch.cat(ts, 1))
    assert only(out)[0, 0].tolist() != only(out)[0, 1].tolist()
    assert only(out)[0, 1].tolist() == only(out)[0, 4].tolist()
    assert {e.history for e in edges(b)} == {"concat part 0", "concat part 1"}
    assert 1 in varying(out.pos)  # weight sharing may merge along it


def test_data_joined_with_data_stays_data() -> None:
    b = builder()
    out = cat(b, [data((2, 3), "x"), data((2, 1), "y")], 1, lambda *ts: torch.cat(ts, 1))
    assert (out.shape, out.factors, b.store.size) == ((2, 4), (), 0)


def test_settling_moves_the_history_onto_edges() -> None:
    b = builder()
    x = b.step(neurons(b, (2, 3), 1), "relu")
    y = settle(b, x, "output")
    assert [(e.src, e.dst, e.history) for e in edges(b)] == [(i, 3 + i, "relu") for i in range(3)]
    assert int(y.hist.max()) == 0


@given(st.permutations(range(4)), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_moves_act_on_ids_as_on_numbers(order: list[int], batch: int) -> None:
    b = builder()
    x = move(b, lambda t: t.reshape(batch, 2, 3, 1).permute(order), neurons(b, (batch, 6), 1))
    real = torch.arange(6).expand(batch, 6).reshape(batch, 2, 3, 1).permute(order)
    assert torch.equal(only(x), real)


def test_unknown_constants_stay_unknown() -> None:
    b = builder()
    out = move(b, lambda t: t, data((2,)))
    assert isinstance(out, Act)
    assert Const((2,), None, "k").value is None
