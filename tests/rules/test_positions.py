"""Where positions are neurons, labels or rows of a table, and where heads stay apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.rules.helpers import (
    forget,
    groups,
    labels,
    nodes,
    on,
    orbits,
    proved,
    rand,
    refuted,
    sizes,
    titles,
    unpin,
)


class PositionTable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner, self.out = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.table = nn.Parameter(torch.randn(5, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x) + self.table)
        return self.out(torch.relu(self.inner(x)))


def test_a_position_table_becomes_labelled_parallel_edges() -> None:
    model, x = PositionTable(), rand(2, 5, 3)
    graph, report = proved(model, x)
    assert sizes(graph)["neuron/add"] == [4]
    assert orbits(report, "neuron", "add") == [((4, 1),)]
    (table,) = on(graph, "table")
    assert labels(table) == [[i] * 4 for i in range(5)]
    assert refuted(model, forget(graph, "label", lambda b: b is table), x)


class RelativeTable(nn.Module):
    """A table of biases under a softmax, one for each pair of positions and each head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.out = nn.Linear(3, 4), nn.Linear(4, 2)
        self.table = nn.Parameter(torch.randn(2, 4, 4))

    def forward(self, x: Tensor) -> Tensor:
        v = self.stem(x).view(2, 4, 2, 2).transpose(1, 2)
        w = (v @ v.transpose(-1, -2) + self.table).softmax(-1)
        return self.out((w @ v).transpose(1, 2).flatten(2))


def test_rows_of_a_relative_table_are_pinned_by_position() -> None:
    model, x = RelativeTable(), rand(2, 4, 3)
    graph, report = proved(model, x)
    (scores,) = groups(graph, "neuron", "add")
    assert scores.label.expand((32,)).array().tolist() == [*range(16), *range(16)]
    assert scores.pin.bounds() == (-1, -1)  # the two heads may still change places
    assert orbits(report, "neuron", "add") == [((2, 16),)]
    assert refuted(model, unpin(graph, lambda g: g.label.bounds() != (-1, -1) and g.size > 4), x)


# ---- 6 buffers that change the function


class TokenMixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.out = nn.Linear(3, 4), nn.Linear(4, 2)
        self.spread, self.gather = nn.Linear(5, 6), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).transpose(1, 2)
        return self.out(self.gather(self.spread(x).relu()).transpose(1, 2))


def test_positions_that_a_layer_contracts_are_neurons_of_their_own() -> None:
    model, x = TokenMixer(), rand(2, 5, 3)
    graph, report = proved(model, x)
    (positions,) = groups(graph, "position")
    assert positions.size == 5
    assert sizes(graph)["neuron/linear"] == [4, 6, 5, 2]
    assert nodes(on(graph, "out.weight")[0].src) == nodes(on(graph, "stem.weight")[0].dst)
    assert orbits(report, "neuron", "linear")[:2] == [((4, 1),), ((6, 1),)]
    assert refuted(model, unpin(graph, lambda g: g.kind == "position"), x)


# ---- 8 feature neurons are never merged where the network can tell them apart


class PerHead(nn.Module):
    """One small layer for every head: it shares weights over an axis of features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.shared, self.out = nn.Linear(3, 8), nn.Linear(4, 5), nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.shared(self.stem(x).view(-1, 2, 4)).relu().flatten(1))


def test_a_layer_shared_by_heads_leaves_the_heads_apart() -> None:
    model, x = PerHead(), rand(4, 3)
    graph, report = proved(model, x)
    assert sizes(graph)["neuron/linear"] == [8, 5, 2]
    assert sizes(graph)["product/split"] == [4, 2]
    assert sizes(graph)["product/pair"] == [10]
    assert titles(report, "neuron", "linear")[0] == "hidden units within groups (2 x 4)"
    # What the shared layer reads comes from one head at a time: which one is on the other factor.
    assert [b.operand for b in graph.bundles if b.op == "split"] == [0, 1]
    assert all(not b.tied for b in graph.bundles)
    crossed = nodes(on(graph, "shared.weight")[0].src) & nodes(on(graph, "stem.weight")[0].dst)
    assert crossed == set()
