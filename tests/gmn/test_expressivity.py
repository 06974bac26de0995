"""What the paper proves that a GMN can compute (propositions 3, 4), by weights set by hand.

The layer of NP-NFN, the other half of proposition 3, is in `test_nfn.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gmn_fx.gmn import GMN, GraphBatch, Vocabulary
from tests.gmn.handset import (
    EXECUTORS,
    SIGNS,
    carry,
    copy,
    edge_kind,
    exact,
    multiply,
    perceptron,
    row,
    silence,
    sum_edges,
)

WIDTH = 12
# Channels of a node: a constant of its own, the relu of what it computed, and that of minus it.
OWN, PLUS, MINUS = 0, 1, 2


def silent(graph: Any, **options: Any) -> GMN:
    net = GMN(exact(WIDTH, **options), Vocabulary.fit([graph])).double()
    silence(net)
    return net


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
    for unit, sign in enumerate(SIGNS):  # (v + w)^2 - (v - w)^2 = 4 v w
        layer.edge.weight[unit, WIDTH + OWN] = layer.edge.weight[unit, WIDTH + PLUS] = 1
        layer.edge.weight[unit, 2 * WIDTH] = sign
        layer.to_dst.weight[0, unit] = sign / 4
    carry(layer, 2, 0, 0)
    copy(layer.node, 0, OWN, OWN)
    layer.node.inner.weight[2, WIDTH], layer.node.inner.weight[3, WIDTH] = 1, -1
    layer.node.outer.weight[PLUS, 2] = layer.node.outer.weight[MINUS, 3] = 1


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_metanet_takes_statistics(executor: Any) -> None:
    """Proposition 3: mean and variance of the weights of each layer (StatNN), in u."""
    model, graph = perceptron()
    net = silent(graph, layers=2)
    layers = sorted({b.depth for b in graph.bundles if b.kind == "weight"})
    with torch.no_grad():
        row(net, "edge", "kind", edge_kind(net.vocabulary, "weight"))[4] = 1
        for i, depth in enumerate(layers):
            row(net, "edge", "depth", depth)[1 + i] = 1
        first, second = net.layers
        # round 1: channel 1 + i of an edge is its value in layer i, 0 elsewhere
        for i in range(3):
            multiply(first, 2 * i, 0, 1 + i, 1 + i)
        # a weight is told from a bias: biases have 0 in channel 4
        carry(first, 6, 4, 4)
        # round 2: times channel 4, and squares; their sums become u
        for i in range(3):
            multiply(second, 2 * i, 1 + i, 4, i)
            for unit in (2 * i, 2 * i + 1):
                second.edge_out.weight[3 + i, unit] = 0.5
        sum_edges(second, 6)
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
