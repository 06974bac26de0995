"""Layers that have rules of their own: exact counts, the proof, and the refutation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from tests.rules.helpers import (
    counts,
    forget,
    forget_sites,
    graph_of,
    groups,
    histories,
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

# ---- convolutions


class Middle(nn.Module):
    """A layer between two pointwise convolutions."""

    def __init__(self, layer: nn.Module, width: int = 6) -> None:
        super().__init__()
        self.stem, self.mid, self.out = nn.Conv2d(2, 6, 1), layer, nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.mid(self.stem(x)).relu())


IMAGE = (2, 2, 5, 5)


@pytest.mark.parametrize(
    ("layer", "width", "edges", "title"),
    [
        (nn.Conv2d(6, 6, 3, groups=3), 6, 108, "channels within groups (3 x 2)"),
        (nn.Conv2d(6, 6, 3, groups=6), 6, 54, "channels"),
        (nn.Conv2d(6, 12, 3, groups=6), 12, 108, "channels"),
        (nn.Conv2d(6, 4, 3), 4, 216, "channels"),
        (nn.ConvTranspose2d(6, 4, 2, stride=2, groups=2), 4, 48, "channels within groups (2 x 3)"),
    ],
    ids=["grouped", "depthwise", "multiplier", "dense", "transposed"],
)
def test_convolutions(layer: nn.Module, width: int, edges: int, title: str) -> None:
    model, x = Middle(layer, width), rand(*IMAGE)
    graph, report = proved(model, x)
    (kernel,) = on(graph, "mid.weight")
    assert torch.Size(kernel.shape).numel() == layer.weight.numel() == edges
    assert kernel.view is not None
    assert kernel.view.table is None
    assert sizes(graph)["channel/conv2d"] == [6, width, 2]
    assert titles(report, "channel", "conv2d")[0] == title
    assert refuted(model, forget(graph, "label", lambda b: b is kernel), x)


def test_static_attributes_of_a_convolution_are_its_history() -> None:
    layer = nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, dilation=2, output_padding=1)
    graph, _ = proved(Middle(layer, 4), rand(*IMAGE))
    assert histories(graph, on(graph, "mid.weight")[0]) == {
        "conv2d_transposed(stride=2,2 padding=1,1 dilation=2,2 output_padding=1,1)"
    }


class CatSkip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.deep, self.out = nn.Conv2d(2, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return self.out(torch.cat([x, self.deep(x)], 1))


def test_a_concatenated_skip_costs_no_nodes() -> None:
    graph, report = proved(CatSkip(), rand(*IMAGE))
    assert sizes(graph)["channel/conv2d"] == [3, 3, 2]
    (weight,) = on(graph, "out.weight")
    both = nodes(on(graph, "stem.weight")[0].dst) | nodes(on(graph, "deep.weight")[0].dst)
    assert nodes(weight.src) == both
    assert len(both) == 6
    assert histories(graph, weight) == {"relu", ""}
    assert orbits(report, "channel", "conv2d")[:2] == [((3, 1),), ((3, 1),)]


# ---- attention


class Attention(nn.Module):
    causal = False

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(3, 8), nn.Linear(3, 8), nn.Linear(3, 6)
        self.out = nn.Linear(6, 2)

    def turn(self, x: Tensor) -> Tensor:
        return x

    def heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (2, -1)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k = self.turn(self.heads(self.q(x))), self.turn(self.heads(self.k(x)))
        y = F.scaled_dot_product_attention(q, k, self.heads(self.v(x)), is_causal=self.causal)
        return self.out(y.transpose(1, 2).flatten(2))


def test_attention_has_heads_and_numbered_operands() -> None:
    model, x = Attention(), rand(2, 4, 3)
    graph, report = proved(model, x)
    assert sizes(graph)["product/matmul"] == [8, 6]  # q.k of each unit, then p.v
    assert sizes(graph)["sum/matmul sum"] == [2]  # a score for each head
    assert [b.operand for b in graph.bundles if b.op == "matmul"] == [0, 1, 0, 1]
    assert titles(report, "sum", "matmul sum") == ["heads"]
    assert titles(report, "neuron", "linear")[:3] == [
        "units within heads (2 x 4)",
        "units within heads (2 x 4)",
        "units within heads (2 x 3)",
    ]
    assert refuted(model, forget(graph, "operand"), x)


class Rotary(Attention):
    def turn(self, x: Tensor) -> Tensor:
        angle = torch.arange(x.shape[2], dtype=x.dtype)[:, None] * torch.tensor([1.0, 0.1]).to(x)
        cos, sin = angle.cos().repeat(1, 2), angle.sin().repeat(1, 2)
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat([-b, a], -1) * sin


def test_rotary_tables_fix_the_units_and_leave_the_heads_free() -> None:
    model, x = Rotary(), rand(2, 4, 3)
    graph, report = proved(model, x)
    assert orbits(report, "neuron", "linear")[:2] == [((2, 4),)] * 2
    assert titles(report, "sum", "matmul sum") == ["heads"]
    turned = [b for b in graph.bundles if b.op == "add"]
    assert [len(histories(graph, b)) for b in turned] == [2, 4, 2, 4]
    assert refuted(model, forget(graph, "history"), x)


class TwoMasks(nn.Module):
    """A causal and a full attention side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.full, self.causal = Attention(), Attention()
        self.causal.causal = True

    def forward(self, x: Tensor) -> Tensor:
        return self.full(x) + self.causal(x)


def test_a_mask_is_part_of_the_history() -> None:
    model, x = TwoMasks(), rand(2, 4, 3)
    graph, _ = proved(model, x)
    assert [h for h in graph.histories if "causal_mask > softmax" in h]
    assert refuted(model, forget(graph, "history"), x)


# ---- sharing


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.inner = nn.Embedding(5, 4), nn.Linear(4, 4)

    def forward(self, ids: Tensor) -> Tensor:
        return F.linear(self.inner(self.embed(ids)).relu(), self.embed.weight)


def test_a_tied_embedding_keeps_both_roles() -> None:
    ids = torch.tensor([[0, 3, 1], [4, 2, 2]])
    model = Tied()
    graph, report = proved(model, ids)
    table, matrix = on(graph, "embed.weight")
    assert (table.kind, matrix.kind) == ("embedding", "weight")
    assert table.tied
    assert matrix.tied
    assert not on(graph, "inner.weight")[0].tied
    assert orbits(report, "vocabulary", "embedding") == [((1, 5),)]
    assert orbits(report, "neuron", "embedding") == [((4, 1),)]
    # The rows are words: set free, they would be exchanged under the ids that name them.
    assert refuted(model, unpin(graph, lambda g: True), ids)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.shared, self.out = nn.Linear(3, 6), nn.Linear(6, 6), nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shared(self.stem(x).relu()).tanh()
        return self.out(torch.cat([x, self.shared(x).tanh()], -1))


def test_a_layer_applied_twice_has_one_set_of_neurons_and_a_site_a_call() -> None:
    model, x = Twice(), rand(4, 3)
    graph, report = proved(model, x)
    assert sizes(graph)["neuron/linear"] == [6, 2]
    first, second = on(graph, "shared.weight")
    assert first.tied
    assert second.tied
    assert histories(graph, first) == {"relu > site 0 to 1"}
    assert histories(graph, second) == {"tanh > site 1 to 2"}
    assert histories(graph, on(graph, "out.weight")[0]) == {
        "tanh > site 1 to 0",
        "tanh > site 2 to 0",
    }
    assert orbits(report, "neuron", "linear")[0] == ((6, 1),)


class Siamese(nn.Module):
    """One tower, two inputs; without the site both results are the same value."""

    def __init__(self) -> None:
        super().__init__()
        self.tower, self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 5), nn.Linear(4, 5)
        self.out = nn.Linear(5, 2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = self.tower(x).relu(), self.tower(y).relu()
        return self.out(self.a(x) + self.b(y))


def test_the_sites_of_a_siamese_tower_are_needed() -> None:
    model, x, y = Siamese(), rand(4, 3), rand(5, 3)[1:] * 0.7
    graph, _ = proved(model, x, y)
    assert sizes(graph)["neuron/linear"] == [4, 5, 5, 2]
    assert histories(graph, on(graph, "b.weight")[0]) == {"relu > site 1 to 0"}
    assert refuted(model, forget_sites(graph), x, y)


# ---- recurrent layers


class Recurrent(nn.Module):
    def __init__(self, layer: type[nn.RNNBase], width: int = 4) -> None:
        super().__init__()
        self.cell, self.out = layer(3, width), nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cell(x)[0])


@pytest.mark.parametrize(("layer", "gates", "states"), [(nn.LSTM, 4, 2), (nn.GRU, 3, 1)])
def test_the_state_after_a_step_is_the_state_before_it(
    layer: type[nn.RNNBase], gates: int, states: int
) -> None:
    graph, report = proved(Recurrent(layer), rand(5, 2, 3))
    assert [g.size for g in groups(graph, "state")] == [4] * states
    h = groups(graph, "state")[0]
    (hidden,) = on(graph, "cell.weight_hh_l0")
    assert hidden.shape == (4 * gates, 4)
    assert nodes(hidden.src) == set(range(h.start, h.start + 4))
    written = [b for b in graph.bundles if b.slot is None and nodes(b.dst) == nodes(hidden.src)]
    assert len(written) == 2
    assert orbits(report, "neuron", "linear")[0] == ((4, gates),)  # a gate is an orbit of its own


def test_gates_without_their_histories_are_exchanged() -> None:
    model, x = Recurrent(nn.LSTM), rand(5, 2, 3)
    graph = graph_of(model, x)
    assert refuted(model, forget(graph, "history"), x)


# ---- weights made of weights


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.out = inner, nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.inner(x).relu())


class LowRank(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(3, 4)
        self.down, self.up = nn.Parameter(torch.randn(2, 3)), nn.Parameter(torch.randn(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.base.weight + self.up @ self.down, self.base.bias)


@pytest.mark.parametrize("kind", ["weight norm", "spectral norm", "low rank"])
def test_weights_made_of_weights_have_a_node_a_row_and_a_column(kind: str) -> None:
    make = {
        "weight norm": lambda: parametrizations.weight_norm(nn.Linear(3, 4)),
        "spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(3, 4)),
        "low rank": LowRank,
    }
    model, x = Wrapped(make[kind]()), rand(4, 3)
    graph, report = proved(model, x)
    matrices = 3 if kind == "low rank" else 1
    assert counts(graph)["weight/matrix"] == matrices
    assert len(sizes(graph)["neuron/row"]) == len(sizes(graph)["neuron/column"]) == matrices
    assert 4 in sizes(graph)["neuron/row"]
    assert orbits(report, "neuron", "row")[0] == ((4, 1),)  # hidden units may still be permuted
    assert all(s.used for s in graph.slots)


def test_the_rank_of_a_low_rank_update_is_an_orbit() -> None:
    model, x = Wrapped(LowRank()), rand(4, 3)
    graph, report = proved(model, x)
    (products,) = groups(graph, "product", "matmul")
    assert products.size == 2
    assert orbits(report, "product", "matmul") == [((2, 1),)]
    assert refuted(model, unpin(graph, lambda g: g.kind == "input"), x)
