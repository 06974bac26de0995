"""Reductions: free over positions, a node over neurons, opaque where nothing is known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_fx.lowering.axes import varying
from gmn_fx.lowering.movement import move
from gmn_fx.lowering.reduce import along, opaque, positional, reduce
from tests.lowering.helpers import builder, edges, neurons, only


@pytest.mark.parametrize("keepdim", [True, False])
def test_over_positions_only_the_history_changes(keepdim: bool) -> None:
    b = builder()
    out = reduce(b, neurons(b, (2, 5, 3), 2), [1], "mean", keepdim=keepdim)
    assert out.shape == ((2, 1, 3) if keepdim else (2, 3))
    assert b.store.bundles == []
    assert b.store.histories[int(out.hist.reshape(-1)[0])] == "mean[-2]"


def test_over_neurons_one_node_reads_all() -> None:
    b = builder()
    x = b.step(neurons(b, (2, 3), 1), "relu")
    out = reduce(b, x, [1], "sum", keepdim=True)
    assert out.shape == (2, 1)
    found = edges(b)
    assert [(e.src, e.history) for e in found] == [(0, "relu"), (1, "relu"), (2, "relu")]
    assert {e.dst for e in found} == {3}
    assert int(out.hist.max()) == 0


def test_over_some_axes_of_neurons_a_node_for_each_left() -> None:
    b = builder()
    x = b.act((4, 2, 3), [b.nodes("neuron", "made", (1, 2, 3))])
    out = reduce(b, x, [2], "amax", keepdim=False)
    assert only(out)[0].tolist() == [6, 7]
    assert {(e.src, e.dst) for e in edges(b)} == {(i, 6 + i // 3) for i in range(6)}


@given(st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=2, max_size=5))
@settings(max_examples=80, deadline=None)
def test_equal_rows_share_a_node(rows: list[list[int]]) -> None:
    b = builder()
    b.nodes("neuron", "made", (3,))
    ids = torch.tensor(rows)
    x = b.act(ids.shape, [ids])
    out = reduce(b, x, [1], "sum", keepdim=False)
    if not edges(b):  # constant along the axis: a reduction over positions
        assert all(len(set(row)) == 1 for row in rows)
        return
    reads: dict[int, set[int]] = {}
    for e in edges(b):
        reads.setdefault(e.dst, set()).add(e.src)
    nodes = [int(n) for n in only(out).reshape(-1).expand(len(rows))]
    assert [reads[n] for n in nodes] == [set(row) for row in rows]
    assert len(set(nodes)) == len({tuple(row) for row in rows})


def test_both_axes_tell_that_positions_were_reduced_too() -> None:
    b = builder()
    reduce(b, neurons(b, (2, 5, 3), 2), [1, 2], "mean", keepdim=False)
    assert {e.history for e in edges(b)} == {"mean over other positions"}


def test_independent_factors_are_reduced_alone() -> None:
    b = builder()
    heads, units = b.nodes("neuron", "h", (2, 1)), b.nodes("neuron", "u", (1, 3))
    out = reduce(b, b.act((2, 3), [heads, units]), [1], "sum", keepdim=False)
    assert heads.reshape(-1).tolist() in [f.tolist() for f in out.factors]
    assert {e.src for e in edges(b)} == {2, 3, 4}


def test_repeated_reads_are_one_edge_a_place() -> None:
    b = builder()
    x = neurons(b, (2, 3, 2, 2), 1)
    flat = move(b, lambda t: t.flatten(1), x)
    reduce(b, flat, [1], "sum", keepdim=False)
    # All pixels of a channel are summed: one edge, nothing to tell apart.
    assert [(e.src, e.label) for e in edges(b)] == [(0, -1), (1, -1), (2, -1)]


def test_softmax_over_positions_is_history_and_over_neurons_a_statistic() -> None:
    b = builder()
    x = neurons(b, (2, 5, 3), 2)
    out = along(b, x, [1], "softmax")
    assert b.store.histories[int(out.hist.reshape(-1)[0])] == "softmax[-2]"
    assert b.store.bundles == []
    out = along(b, x, [2], "softmax")
    assert [g.kind for g in b.store.groups] == ["neuron", "statistic", "neuron"]
    found = edges(b)
    assert len([e for e in found if e.dst == 3]) == 3
    assert {(e.src, e.operand) for e in found if e.dst == 4} == {(0, 0), (3, 1)}
    assert varying(only(out)) == {2}


def test_pooling_is_free_where_no_neurons_lie() -> None:
    b = builder()
    x = neurons(b, (2, 3, 8, 8), 1)
    out = positional(b, x, [-2, -1], (2, 3, 4, 4), "max_pool")
    assert out is not None
    assert out.shape == (2, 3, 4, 4)
    assert b.store.histories[int(out.hist.reshape(-1)[0])] == "max_pool[-2,-1]"
    assert positional(b, x, [1], (2, 1, 8, 8), "max_pool") is None


def test_opaque_pins_and_joins_everything_it_reads() -> None:
    b = builder()
    x, y = b.step(neurons(b, (2, 3), 1), "relu"), neurons(b, (2, 2), 1)
    outs = opaque(b, [x, y], [(2, 3), (4,)], "mystery")
    assert [o.shape for o in outs] == [(2, 3), (4,)]
    assert all(g.pinned for g in b.store.groups[:2])
    node = int(only(outs[0]).reshape(-1)[0])
    assert {(e.src, e.dst, e.operand) for e in edges(b)} == {
        *((i, node, 0) for i in range(3)),
        *((3 + i, node, 1) for i in range(2)),
    }
