"""Recurrent layers: directions, packed sequences, cells by hand, the axis that is time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import gmn_fx
from gmn_fx import ParameterGraph
from gmn_fx.ir.prepare import prepared
from tests.capture.helpers import assert_same_function, targets
from tests.rules.helpers import (
    forget,
    graph_of,
    groups,
    histories,
    on,
    orbits,
    proved,
    rand,
    refuted,
    unpin,
)

LENGTHS = torch.tensor([3, 5, 2])


def reworded(graph: ParameterGraph, change: Callable[[str], str]) -> ParameterGraph:
    """`graph` with other texts of histories, equal ones made one."""
    texts = [change(h) for h in graph.histories]
    table = [texts.index(t) for t in texts]

    def mapped(m: gmn_fx.IndexMap) -> gmn_fx.IndexMap:
        return gmn_fx.IndexMap.from_array(np.array(table)[m.array()])

    bundles = tuple(replace(b, history=mapped(b.history)) for b in graph.bundles)
    return replace(graph, bundles=bundles)


class Ends(nn.Module):
    """The last states of both directions, side by side."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.cell, self.out = layer, nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        state = self.cell(x)[1]
        hidden = state[0] if isinstance(state, tuple) else state
        return self.out(torch.cat([hidden[-2], hidden[-1]], -1))


@pytest.mark.parametrize("layer", [nn.RNN, nn.GRU, nn.LSTM])
def test_the_last_state_tells_its_direction(layer: type[nn.RNNBase]) -> None:
    model, x = Ends(layer(3, 4, 2, bidirectional=True)), rand(5, 2, 3)
    graph, _ = proved(model, x)
    texts = histories(graph, on(graph, "out.weight")[0])
    assert {t.partition(" > ")[0] for t in texts} == {"last state", "last state reversed"}
    blind = reworded(graph, lambda h: h.replace("last state reversed", "last state"))
    assert refuted(model, blind, x)


# ---- packed sequences


class Packed(nn.Module):
    """A stack on packed sequences, with or without states to begin with."""

    def __init__(self, layer: nn.RNNBase, width: int, started: bool = False) -> None:
        super().__init__()
        self.cell, self.out, self.started = layer, nn.Linear(width, 2), started
        if started:
            self.h = nn.Parameter(torch.randn(layer.num_layers, 1, layer.hidden_size))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        start = self.h.expand(-1, x.shape[0], -1).contiguous() if self.started else None
        out, _ = self.cell(packed, start)
        return self.out(pad_packed_sequence(out, batch_first=True)[0])


STACKS = {
    "lstm": (nn.LSTM(3, 4), 4, False),
    "projected both ways": (nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2), 4, False),
    "gru without biases": (nn.GRU(3, 4, bias=False, bidirectional=True), 8, False),
    "rnn from a state": (nn.RNN(3, 4, 2), 4, True),
    "relu": (nn.RNN(3, 4, nonlinearity="relu"), 4, False),
}


@pytest.mark.parametrize("name", STACKS)
def test_packed_sequences_are_movement(name: str) -> None:
    model, x = Packed(*STACKS[name]), rand(3, 5, 3)
    graph, _ = proved(model, x, LENGTHS)
    size = model.cell.hidden_size
    assert {g.pin.array().max() for g in groups(graph, "state")} == {-1}
    assert {g.size for g in groups(graph, "state")} <= {size, model.cell.proj_size}
    assert any("pack(#" in t for t in histories(graph, on(graph, "cell.weight_ih_l0")[0]))
    other = graph_of(model, rand(2, 7, 3), torch.tensor([7, 7]))
    assert other.signature == graph.signature  # neither the batch nor the lengths


@pytest.mark.parametrize("name", STACKS)
def test_packed_programs_compute_the_same(name: str) -> None:
    model, x = Packed(*STACKS[name]).eval(), rand(3, 5, 3)
    with prepared(model):
        program = gmn_fx.capture.capture(model, (x, LENGTHS), {})
    assert "pack" in " ".join(targets(program))
    assert_same_function(program, model, (x, LENGTHS))
    (step,) = gmn_fx.registry.spec.parse_spec(
        "lower-recurrent", gmn_fx.registry.discovery.load_registry()
    )
    lowered = step.apply(program).ir
    assert "packed_recurrent" not in " ".join(targets(lowered))
    assert_same_function(lowered, model, (x, LENGTHS))


class TwoLengths(nn.Module):
    """One input packed by two lengths, into two layers of one kind."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.GRU(3, 4, batch_first=True), nn.GRU(3, 4, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor, first: Tensor, second: Tensor | None = None) -> Tensor:
        second = (first + 1) // 2 if second is None else second
        ends = []
        for layer, lengths in ((self.a, first), (self.b, second)):
            ends.append(layer(pack_padded_sequence(x, lengths, batch_first=True))[1][0])
        return self.out(ends[0] + ends[1])


@pytest.mark.parametrize("second", [(torch.tensor([3, 2]),), ()], ids=["given", "computed"])
def test_packing_by_other_lengths_is_another_function(second: tuple[Tensor, ...]) -> None:
    model, x = TwoLengths(), rand(2, 5, 3)
    args = (x, torch.tensor([5, 4]), *second)
    graph, _ = proved(model, *args)
    assert refuted(model, reworded(graph, lambda h: h.replace("#1", "#0")), *args)


# ---- cells by hand


class ByHand(nn.Module):
    """Two layers of a plain cell; one matrix reads the input and the state."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3 + 4, 4), nn.Linear(4 + 4, 4)
        self.out, self.start = nn.Linear(4, 2), start

    def forward(self, x: Tensor) -> Tensor:
        h = g = torch.full((x.shape[0], 4), self.start)
        for t in range(x.shape[1]):
            h = torch.tanh(self.one(torch.cat([x[:, t], h], 1)))
            g = torch.tanh(self.two(torch.cat([h, g], 1)))
        return self.out(g)


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_states_that_begin_with_one_number_are_exchangeable(start: float) -> None:
    model, x = ByHand(start), rand(2, 3, 3)
    _, report = proved(model, x)
    free = [o for kind in ("constant", "neuron") for o in orbits(report, kind, "constant")]
    free += orbits(report, "neuron", "linear")
    assert ((4, 1),) in free
    assert not any(o == ((1, 4),) for o in free)


class Filled(nn.Module):
    """Features beside zeros and ones."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.out = nn.Linear(3, 4), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.out(torch.cat([x, torch.zeros_like(x[:, :2]), torch.ones_like(x[:, :2])], 1))


def test_constants_are_exchanged_with_equal_ones_only() -> None:
    model, x = Filled(), rand(2, 3)
    graph, report = proved(model, x)
    assert orbits(report, "constant", "constant") == [((2, 1),), ((2, 1),)]
    blind = forget(graph, "history", lambda b: b.op == "constant")
    assert refuted(model, blind, x)


class Graded(Filled):
    """Features beside numbers that differ."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.out(torch.cat([x, torch.arange(4.0).expand(x.shape[0], 4)], 1))


def test_constants_that_differ_are_pinned() -> None:
    model, x = Graded(), rand(2, 3)
    graph, _ = proved(model, x)
    assert groups(graph, "constant")[0].pin.array().max() >= 0
    assert refuted(model, unpin(graph, lambda g: g.kind == "constant"), x)


# ---- the axis that is time


class RowsAndColumns(nn.Module):
    """A layer along each axis of an image, as in Sequencer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.out = nn.Conv2d(2, 3, 1), nn.Linear(8, 2)
        self.rows, self.columns = (nn.GRU(3, 4, batch_first=True) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).permute(0, 2, 3, 1)
        n, h, w, _ = x.shape
        rows = self.rows(x.reshape(n * h, w, -1))[0].reshape(n, h, w, -1)
        columns = self.columns(x.transpose(1, 2).reshape(n * w, h, -1))[0]
        return self.out(torch.cat([rows, columns.reshape(n, w, h, -1).transpose(1, 2)], -1))


def test_rows_and_columns_are_told_apart() -> None:
    model, x = RowsAndColumns(), rand(2, 2, 4, 4)
    graph, _ = proved(model, x)
    texts = histories(graph, on(graph, "out.weight")[0])
    assert {t.partition(" > ")[0] for t in texts} == {"gru along -1", "gru along -2"}
    assert refuted(model, reworded(graph, lambda h: h.replace("along -2", "along -1")), x)


class OverChannels(nn.Module):
    """Channels as steps: their order counts."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.cell = nn.Linear(3, 4), nn.GRU(5, 4, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cell(self.stem(x).transpose(1, 2))[0])


class Prefixed(OverChannels):
    """A learned step before the others."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.first = nn.GRU(4, 4, batch_first=True), nn.Parameter(torch.randn(1, 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        first = self.first.expand(x.shape[0], -1, -1)
        return self.out(self.cell(torch.cat([first, self.stem(x)], 1))[0])


@pytest.mark.parametrize("model", [OverChannels(), Prefixed()], ids=["channels", "prefix"])
def test_steps_that_differ_are_read_as_steps(model: nn.Module) -> None:
    graph, report = proved(model, rand(2, 5, 3))
    fixed = orbits(report, "neuron", "linear")[0]
    assert fixed == (((4, 1),) if isinstance(model, Prefixed) else ((1, 4),))
    assert on(graph, "stem.weight")
