"""Metanets whose weights are set by hand, for what the paper proves that a GMN can compute.

With the activation `square` on edges products are exact: (a + b)^2 - (a - b)^2 = 4 a b.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import gmn_fx
from gmn_fx.gmn import GMNConfig, Vocabulary
from gmn_fx.gmn.sizes import Sizes
from gmn_fx.graph.model import ParameterGraph

EXECUTORS = ("reference", "flat", "dense", "stream")
SIGNS = (1.0, -1.0)


def exact(width: int, **options: Any) -> GMNConfig:
    """A metanet of sums and products: the paper's sum, no norm, nothing added by itself."""
    return GMNConfig(**{
        "hidden": width, "aggregation": "sum", "directions": "forward", "residual": False,
        "norm": "none", "activation": "relu", "edge_activation": "square", **options,
    })  # fmt: skip


def silence(net: Any) -> None:
    """All weights 0, but values are read as they are, into channel 0 of an edge; plain sums."""
    for layer in net.layers:
        layer.sizes = Sizes()
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
        net.encoder.get_buffer("_scales").fill_(1)
        net.encoder.value.weight[0, 0] = 1


def row(net: Any, table: str, column: str, number: int) -> Tensor:
    """The row of an embedding."""
    embedding: Any = net.encoder.nodes if table == "node" else net.encoder.edges
    place = net.vocabulary.numbers[f"{table}.{column}"].index(number) + 1
    return embedding.embeddings[column].weight[place]


def edge_kind(vocabulary: Vocabulary, name: str) -> int:
    """The number of a kind of edges."""
    return {word: n for n, word in vocabulary.names["edge.kind"].items()}[name]


def carry(layer: Any, unit: int, old: int, new: int) -> None:
    """Channel `old` of an edge is channel `new` of the next round: 4 e = (e + 1)^2 - (e - 1)^2."""
    width = layer.config.hidden
    for k, sign in enumerate(SIGNS):
        layer.edge.weight[unit + k, 2 * width + old] = 1
        layer.edge.bias[unit + k] = sign
        layer.edge_out.weight[new, unit + k] = sign / 4


def multiply(layer: Any, unit: int, left: int, right: int, new: int | None) -> None:
    """Channel `new` of an edge is the product of two channels, in the units from `unit` on."""
    width = layer.config.hidden
    for k, sign in enumerate(SIGNS):
        layer.edge.weight[unit + k, 2 * width + left] = 1
        layer.edge.weight[unit + k, 2 * width + right] = sign
        if new is not None:
            layer.edge_out.weight[new, unit + k] = sign / 4


def copy(mlp: Any, unit: int, old: int, new: int) -> None:
    """Output `new` of an MLP with relu is its input `old`: x = relu(x) - relu(-x)."""
    for k, sign in enumerate(SIGNS):
        mlp.inner.weight[unit + k, old] = sign
        mlp.outer.weight[new, unit + k] = sign


def sum_edges(layer: Any, count: int) -> None:
    """u = the sums of the edges' first channels."""
    for i in range(count):
        copy(layer.whole, 2 * i, 2 * layer.config.hidden + i, i)


def perceptron(seed: int = 0) -> tuple[nn.Module, ParameterGraph]:
    """An MLP with two hidden layers in double precision, and its graph."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)
    ).double()
    return model, gmn_fx.extract(model, (torch.randn(2, 3, dtype=torch.float64),))
