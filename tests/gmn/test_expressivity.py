"""What the paper proves that a GMN can compute (propositions 3, 4), by weights set by hand.

With the activation `square` on edges products are exact, so these hold to rounding.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gmn_fx
from gmn_fx.gmn import GMN, GMNConfig, GraphBatch, Vocabulary
from gmn_fx.graph.model import ParameterGraph

EXECUTORS = ("reference", "flat", "dense", "stream")
WIDTH = 12
# Channels of a node: a constant of its own, the relu of what it computed, and that of minus it.
OWN, PLUS, MINUS = 0, 1, 2


def silent(graph: ParameterGraph, **options: Any) -> GMN:
    """A metanet whose weights are all 0, which reads values as they are."""
    config = GMNConfig(
        hidden=WIDTH, aggregation="sum", directions="forward", residual=False, norm="none",
        activation="relu", edge_activation="square", **options,
    )  # fmt: skip
    net = GMN(config, Vocabulary.fit([graph])).double()
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
        net.encoder.get_buffer("_scales").fill_(1)
        net.encoder.value.weight[0, 0] = 1  # channel 0 of an edge is its value
    return net


def row(net: GMN, table: str, column: str, number: int) -> Tensor:
    """The row of an embedding."""
    embedding: Any = net.encoder.nodes if table == "node" else net.encoder.edges
    place = net.vocabulary.numbers[f"{table}.{column}"].index(number) + 1
    return embedding.embeddings[column].weight[place]


def carry(layer: Any, units: tuple[int, int], channel: int) -> None:
    """The channel of an edge in the next round, from (e + 1)^2 - (e - 1)^2."""
    for unit, sign in zip(units, (1.0, -1.0), strict=True):
        layer.edge.weight[unit, 2 * WIDTH + channel] = 1
        layer.edge.bias[unit] = sign
        layer.edge_out.weight[channel, unit] = sign / 4


def perceptron() -> tuple[nn.Module, ParameterGraph]:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)
    ).double()
    return model, gmn_fx.extract(model, (torch.randn(2, 3, dtype=torch.float64),))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_metanet_runs_the_network(executor: Any) -> None:
    """Proposition 4: the forward pass of an MLP on its graph, one layer a round."""
    model, graph = perceptron()
    x = torch.randn(3, dtype=torch.float64)
    net = silent(graph, layers=3, global_state=False)
    with torch.no_grad():
        bias = {name: n for n, name in net.vocabulary.names["node.kind"].items()}["bias"]
        row(net, "node", "kind", bias)[OWN] = 1
        for i, value in enumerate(x):  # outputs have these labels too, but nothing reads them
            row(net, "node", "label", i)[OWN] = value
        for layer in net.layers:
            multiply_and_add(layer)
    net.executor = executor
    nodes = net.states(GraphBatch.of([graph])).nodes[0].detach()
    last = next(g for g in graph.groups if g.kind == "neuron" and g.size == 2)
    found = nodes[last.start : last.start + 2]
    assert torch.allclose(found[:, PLUS] - found[:, MINUS], model(x), atol=1e-12)


def multiply_and_add(layer: Any) -> None:
    """v_i = relu(+- sum of w_ij v_j), beside the constant of its own."""
    for unit, sign in ((0, 1.0), (1, -1.0)):  # (v + w)^2 - (v - w)^2 = 4 v w
        layer.edge.weight[unit, WIDTH + OWN] = layer.edge.weight[unit, WIDTH + PLUS] = 1
        layer.edge.weight[unit, 2 * WIDTH] = sign
        layer.to_dst.weight[0, unit] = sign / 4
    carry(layer, (2, 3), 0)
    ways = ((0, OWN, 1.0), (1, OWN, -1.0), (2, WIDTH, 1.0), (3, WIDTH, -1.0))
    for unit, channel, sign in ways:
        layer.node.inner.weight[unit, channel] = sign
    layer.node.outer.weight[OWN, 0], layer.node.outer.weight[OWN, 1] = 1, -1
    layer.node.outer.weight[PLUS, 2] = layer.node.outer.weight[MINUS, 3] = 1


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_metanet_takes_statistics(executor: Any) -> None:
    """Proposition 3: mean and variance of the weights of each layer (StatNN), in u."""
    model, graph = perceptron()
    net = silent(graph, layers=2)
    layers = sorted({b.depth for b in graph.bundles if b.kind == "weight"})
    kind = {name: n for n, name in net.vocabulary.names["edge.kind"].items()}["weight"]
    with torch.no_grad():
        row(net, "edge", "kind", kind)[4] = 1
        for i, depth in enumerate(layers):
            row(net, "edge", "depth", depth)[1 + i] = 1
        first, second = net.layers
        # round 1: channel 1 + i of an edge is its value in layer i, 0 elsewhere
        for i in range(3):
            for unit, sign in ((2 * i, 1.0), (2 * i + 1, -1.0)):
                first.edge.weight[unit, 2 * WIDTH] = 1
                first.edge.weight[unit, 2 * WIDTH + 1 + i] = sign
                first.edge_out.weight[1 + i, unit] = sign / 4
        # a weight is told from a bias: biases have 0 in channel 4
        carry(first, (6, 7), 4)
        # round 2: times channel 4, and squares; their sums become u
        for i in range(3):
            for unit, sign in ((2 * i, 1.0), (2 * i + 1, -1.0)):
                second.edge.weight[unit, 2 * WIDTH + 1 + i] = 1
                second.edge.weight[unit, 2 * WIDTH + 4] = sign
                second.edge_out.weight[i, unit] = sign / 4
                second.edge_out.weight[3 + i, unit] = 0.5
        copy_edges(second, 6)
    net.executor = executor
    u = net.states(GraphBatch.of([graph])).whole
    assert u is not None
    weights = [p for p in model.parameters() if p.dim() == 2]
    biases = [p for p in model.parameters() if p.dim() == 1]
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        total, squares = u[0, i].detach(), u[0, 3 + i].detach()
        # ((w + 1)^2 + (w - 1)^2) / 2 = w^2 + 1 on a weight (1 in other layers), b^2 on a bias
        squares = squares - sum(other.numel() for other in weights) - (b**2).sum()
        mean = total / w.numel()
        assert torch.allclose(mean, w.mean(), atol=1e-12)
        assert torch.allclose(squares / w.numel() - mean**2, w.var(correction=0), atol=1e-12)


def copy_edges(layer: Any, count: int) -> None:
    """u = the sums of the edges' first channels."""
    for i in range(count):
        at = 2 * WIDTH + i
        unit = 2 * i
        layer.whole.inner.weight[unit, at], layer.whole.inner.weight[unit + 1, at] = 1, -1
        layer.whole.outer.weight[i, unit], layer.whole.outer.weight[i, unit + 1] = 1, -1
