"""The store: groups, histories, equalities."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_fx.lowering.axes import full, varying
from gmn_fx.lowering.store import Store


def told(store: Store, *steps: str) -> str:
    hist = full(0, ())
    for step in steps:
        hist = store.extend_history(hist, step)
    return store.histories[int(hist)]


def test_histories_are_numbered_once() -> None:
    store = Store()
    assert store.history("") == 0
    assert store.history("relu") == store.history("relu") == 1
    assert store.histories == ["", "relu"]


def test_steps_are_chained_and_repetitions_counted() -> None:
    assert told(Store(), "relu", "tanh") == "relu > tanh"
    assert told(Store(), "relu", "relu", "relu") == "relu x3"
    assert told(Store(), "tanh", "relu", "relu") == "tanh > relu x2"
    assert told(Store(), "relu", "tanh", "relu") == "relu > tanh > relu"
    assert told(Store(), "relu", "") == "relu"


WALK = st.lists(st.sampled_from(["a", "b"]), max_size=8)


@given(WALK, WALK)
@settings(max_examples=100, deadline=None)
def test_different_walks_have_different_histories(one: list[str], two: list[str]) -> None:
    store = Store()
    assert (told(store, *one) == told(store, *two)) == (one == two)


def test_extension_keeps_stride_zero_axes() -> None:
    store = Store()
    hist = torch.tensor([0, store.history("relu")]).reshape(2, 1).expand(2, 1000)
    out = store.extend_history(hist, "tanh")
    assert varying(out) == {0}
    assert [store.histories[i] for i in out[:, 0]] == ["tanh", "relu > tanh"]


def test_extend_each_appends_the_step_of_each_element() -> None:
    store = Store()
    past = torch.tensor([[0], [store.history("relu")]])
    out = store.extend_each(past, torch.tensor([[0, 1]]), ["x2", "x3"])
    texts = [[store.histories[i] for i in row] for row in out.tolist()]
    assert texts == [["x2", "x3"], ["relu > x2", "relu > x3"]]


def test_find_and_unite_on_tensors() -> None:
    store = Store()
    store.new_group("neuron", "linear", 6, "fc", "")
    ids = torch.arange(6).reshape(2, 3, 1).expand(2, 3, 50)
    assert store.find(ids) is ids  # nothing was united
    assert store.unite(ids[0], ids[1])
    found = store.find(ids)
    assert 2 not in varying(found)
    assert torch.equal(found[0], found[1])
    assert found[1, :, 0].tolist() == [0, 1, 2]


def test_groups_know_their_nodes_and_pins() -> None:
    store = Store()
    a = store.new_group("input", "input", 3, "x", "")
    b = store.new_group("neuron", "linear", 4, "fc", "m.py:3")
    c = store.new_group("neuron", "linear", 2, "out", "")
    assert [g.start for g in (a, b, c)] == [0, 3, 7]
    assert store.groups_of(np.array([2, 8])) == [a, c]
    store.pin_group(c)
    store.pin_group(a)
    store.pin_group(c)  # once is enough
    groups = store.frozen_groups()
    assert [g.pin.expand((g.size,)).array().tolist() for g in groups] == [
        [1] * 3,
        [-1] * 4,
        [0] * 2,
    ]
    assert [g.label.expand((g.size,)).array().tolist() for g in groups] == [
        [0, 1, 2],
        [-1] * 4,
        [0, 1],
    ]
    assert groups[1].source == "m.py:3"
