"""Outputs and gradients are of order 1 at the start, from a thousand edges to ten million."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gmn_fx
from gmn_fx.gmn import EquivariantGMN, GMNConfig, GraphBatch, InvariantGMN, Vocabulary
from gmn_fx.graph.model import ParameterGraph

# Widths for 1e3, 1e4, 1e5, 1e6, 1e7 edges.
WIDTHS = {"mlp": (22, 90, 300, 990, 3150), "cnn": (10, 33, 104, 333, 1050)}
MEMORY = 2**29  # of the largest some do not fit: auto then streams


def network(kind: str, width: int) -> tuple[nn.Module, tuple[Tensor]]:
    if kind == "mlp":
        sizes = ((16, width), (width, width), (width, 4))
        return nn.Sequential(*_with_relu([nn.Linear(*s) for s in sizes])), (torch.randn(2, 16),)
    convs = [nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)]
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)]
    return nn.Sequential(*_with_relu(convs), nn.ReLU(), *tail), (torch.randn(2, 3, 8, 8),)


def _with_relu(layers: list[Any]) -> list[nn.Module]:
    return [m for layer in layers for m in (nn.ReLU(), layer)][1:]


@functools.lru_cache(1)
def network_graph(kind: str, number: int) -> ParameterGraph:
    """As torch initialises it."""
    torch.manual_seed(0)
    model, inputs = network(kind, WIDTHS[kind][number])
    graph = gmn_fx.extract(model, inputs)
    assert 0.8 < graph.num_edges / 10 ** (3 + number) < 1.4
    return graph


def size(t: Tensor) -> float:
    """Root mean square."""
    return float(t.detach().square().mean().sqrt())


def largest_gradient(model: nn.Module) -> float:
    """Norm of that of a whole tensor."""
    return max(float(p.grad.norm()) for p in model.parameters() if p.grad is not None)


def measured(
    graph: ParameterGraph, config: GMNConfig, vocabulary: Vocabulary | None = None
) -> dict[str, float]:
    """Sizes of states, outputs and gradients of both heads; gradients of an output's size."""
    vocabulary = vocabulary or Vocabulary.fit([graph])
    torch.manual_seed(1)
    head = InvariantGMN(config, vocabulary, 8, memory=MEMORY)
    edit = EquivariantGMN(config, vocabulary, scale=1.0, memory=MEMORY)
    leaf = GraphBatch.of([graph])
    leaf = GraphBatch(leaf.graphs, tuple(v.clone().requires_grad_() for v in leaf.values))
    out = head(leaf)
    out.square().mean().sqrt().backward()
    values = torch.cat([v.reshape(-1) for v in edit(GraphBatch.of([graph])).values])
    values.square().mean().sqrt().backward()
    with torch.no_grad():
        states = head.gmn.states(GraphBatch.of([graph]))
    assert states.whole is not None
    # of a value: times the size of all values, what a change by its own size does to the output
    by_value = sum(float((v.grad * v.detach()).square().sum()) for v in leaf.values) ** 0.5  # type: ignore[operator]
    return {
        "nodes": size(states.nodes), "whole": size(states.whole), "output": size(out),
        "edit": size(values), "gradient": largest_gradient(head),
        "gradient of edit": largest_gradient(edit), "by value": by_value,
    }  # fmt: skip


def check(found: dict[str, float]) -> None:
    by_value = found.pop("by value")
    assert 0 < by_value < 10, by_value  # independent changes cancel in a mean: it may be small
    for name, value in found.items():
        assert 0.05 < value < 20, (name, value)


@pytest.mark.parametrize("aggregation", ["mean", "fan_in", "sum"])
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("kind", WIDTHS)
def test_order_one_at_every_size(kind: str, number: int, aggregation: Any) -> None:
    check(measured(network_graph(kind, number), GMNConfig(hidden=16, aggregation=aggregation)))


@pytest.mark.parametrize("kind", WIDTHS)
def test_order_one_at_a_million_edges(kind: str) -> None:
    check(measured(network_graph(kind, 3), GMNConfig(hidden=8)))


@pytest.mark.slow
def test_order_one_at_ten_million_edges() -> None:
    graph = network_graph("mlp", 4)
    config, vocabulary = GMNConfig(hidden=4), Vocabulary.fit([graph])
    head = InvariantGMN(config, vocabulary, 1, memory=MEMORY)
    assert head.gmn.choice(GraphBatch.of([graph])).executor == "stream"
    check(measured(graph, config, vocabulary))


def test_the_defaults_at_their_width() -> None:
    check(measured(network_graph("cnn", 1), GMNConfig()))


@pytest.mark.parametrize("aggregation", ["mean", "fan_in", "sum"])
def test_a_narrow_vocabulary_on_a_wide_network(aggregation: Any) -> None:
    """Means stay of order 1 at other widths; a sum grows with the number of its terms."""
    narrow, wide = network_graph("mlp", 0), network_graph("mlp", 2)
    config = GMNConfig(hidden=16, aggregation=aggregation)
    found = measured(wide, config, Vocabulary.fit([narrow]))
    assert (found["nodes"] < 5) == (aggregation != "sum")


def test_size_can_be_wrong() -> None:
    """Without the constants a sum is not of order 1: the bounds see it."""
    import dataclasses

    from gmn_fx.gmn.sizes import Sizes

    graph = network_graph("mlp", 1)
    vocabulary = dataclasses.replace(Vocabulary.fit([graph]), sizes=Sizes())
    found = measured(graph, GMNConfig(hidden=16, aggregation="sum"), vocabulary)
    assert found["nodes"] > 1000
