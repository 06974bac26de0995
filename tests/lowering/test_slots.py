"""Views of parameters: by strides where possible, split over entries where they are joined."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_fx.lowering import Builder, Par
from gmn_fx.lowering.movement import cat, move
from tests.lowering.helpers import Edge, builder, edges, par


def lay(b: Builder, p: Par) -> list[Edge]:
    """Edges for every element of `p`, each to a node of its own."""
    dst = b.nodes("neuron", "test", p.shape)
    b.connect(b.constant_one("test"), dst, op="test", kind="bias", par=p)
    return edges(b)


MOVES = {
    "t": lambda t: t.t(),
    "row": lambda t: t[1],
    "columns": lambda t: t[:, 1:],
    "every second": lambda t: t[:, ::2],
    "reshape": lambda t: t.reshape(2, 6),
    "t reshape": lambda t: t.t().reshape(2, 6),
    "flip": lambda t: t.flip(0),
    "expand": lambda t: t[:1].expand(3, 4),
    "pick": lambda t: t[[-1, 0]],
    "stack": lambda t: torch.stack([t, t]),
    "diagonal": lambda t: t.diagonal(),
}


@given(st.lists(st.sampled_from(["t", "flip", "columns", "every second", "pick"]), max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_chain_of_moves_names_the_elements_that_torch_names(names: list[str]) -> None:
    b = builder(before=(5,), w=(7, 8))
    p, real = par(b, "w"), torch.arange(56).reshape(7, 8)
    for name in names:
        p, real = move(b, MOVES[name], p), MOVES[name](real)
    found = lay(b, p)
    assert {e.slot for e in found} == {"w"}
    assert [e.index for e in found] == real.reshape(-1).tolist()


def test_views_stay_formulas_and_copies_become_tables() -> None:
    for name, formula in [
        ("t", True),
        ("row", True),
        ("columns", True),
        ("every second", True),
        ("reshape", True),
        ("expand", True),
        ("diagonal", True),
        ("t reshape", False),
        ("flip", False),
        ("stack", False),
    ]:
        b = builder(before=(5,), w=(3, 4))
        p = move(b, MOVES[name], par(b, "w"))
        assert p.affine == formula, name
        real = MOVES[name](torch.arange(12).reshape(3, 4))
        assert torch.equal(p.explicit() - 5, real), name
        assert [e.index for e in lay(b, p)] == real.reshape(-1).tolist(), name


def test_a_formula_takes_no_memory_by_element() -> None:
    b = builder(w=(3000, 2000))
    ids = b.nodes("neuron", "test", (3000, 1))
    b.connect(ids, b.nodes("neuron", "test", (1, 2000)), op="test", par=par(b, "w"))
    bundle = b.store.bundles[-1]
    assert bundle.view.table is None
    assert bundle.view.strides == (2000, 1)


def test_concatenated_parameters_are_split_into_their_entries() -> None:
    b = builder(q=(2, 3), gap=(4,), k=(1, 3))
    joint = cat(b, [par(b, "k"), par(b, "q")], 0, lambda *ts: torch.cat(ts, 0))
    found = lay(b, joint)
    assert [bundle.slot for bundle in b.store.bundles] == ["q", "k"]
    assert sorted((e.dst, e.slot, e.index) for e in found) == [
        *((i, "k", i) for i in range(3)),
        *((3 + i, "q", i) for i in range(6)),
    ]


def test_an_explicit_view_of_one_entry_stays_one_bundle() -> None:
    b = builder(a=(4,), w=(3,), empty=(0,), z=(2,))
    found = lay(b, move(b, lambda t: t[[2, 0, 1]], par(b, "w")))
    assert [e.index for e in found] == [2, 0, 1]
    assert [bundle.slot for bundle in b.store.bundles] == ["w"]


def test_the_entry_after_an_empty_one_is_found() -> None:
    b = builder(empty=(0,), z=(2,))
    assert {e.slot for e in lay(b, par(b, "z"))} == {"z"}


def test_histories_of_parameters_lie_on_their_edges() -> None:
    b = builder(w=(2,))
    p = par(b, "w")
    p = Par(p.shape, p.slots, p.base, b.store.extend_history(p.hist, "exp"))
    x = b.nodes("neuron", "test", (2,))
    b.connect(x, x, op="test", par=p, hist=torch.tensor([b.store.history("relu"), 0]))
    assert [e.history for e in edges(b)] == ["relu | exp", " | exp"]


def test_a_parameter_as_activation_has_a_neuron_a_distinct_element() -> None:
    b = builder(w=(2, 3))
    wide = move(b, lambda t: t.unsqueeze(0).expand(4, 2, 3), par(b, "w"))
    x = b.as_act(wide)
    assert x.shape == (4, 2, 3)
    assert len(torch.unique(x.factors[0])) == 6
    assert np.unique([e.src for e in edges(b)]).size == 1
    assert [e.index for e in edges(b)] == list(range(6))
