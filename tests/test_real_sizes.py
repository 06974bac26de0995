"""ResNet-50, ViT-B/16 and GPT-2 small at full size: structure, P1, P2, size of the structure."""

from __future__ import annotations

import functools
import math

import pytest
import torch

import gmn_fx
from benchmarks.measure import structure_bytes
from gmn_fx.graph.model import ParameterGraph
from tests.zoo.full import FULL_SIZE, distinct_values

pytestmark = pytest.mark.slow

NAMES = tuple(FULL_SIZE)
MEGABYTE = 1_000_000


@functools.cache
def graph_of(name: str) -> ParameterGraph:
    """The structure of a published model, extracted on the meta device."""
    model, args, kwargs = FULL_SIZE[name].make()
    return gmn_fx.extract(model, args, kwargs)


@pytest.mark.parametrize("name", NAMES)
def test_p1_every_parameter_is_on_its_edges(name: str) -> None:
    full, graph = FULL_SIZE[name], graph_of(name)
    graph.verify()
    trainable = sum(slot.numel for slot in graph.slots if slot.trainable)
    assert trainable == full.parameters
    used = sum(slot.numel for slot in graph.slots if slot.used)
    carrying = sum(math.prod(b.shape) for b in graph.bundles if b.slot is not None)
    assert carrying == used + full.tied
    # Positions beyond the example's 16 tokens are rows like the others.
    assert not graph.unread


@pytest.mark.parametrize("name", NAMES)
def test_the_structure_is_small(name: str) -> None:
    graph = graph_of(name)
    assert not graph.values
    assert structure_bytes(graph) < MEGABYTE
    assert len(graph.bundles) < 1000


@pytest.mark.parametrize("name", NAMES)
def test_p2_all_weights_come_back(name: str) -> None:
    model, _, _ = FULL_SIZE[name].make()
    values = distinct_values(model)
    graph = graph_of(name).bind(values)
    found = graph.to_state_dict(graph.edge_values())
    assert found.keys() == values.keys()
    for key, expected in values.items():
        assert found[key].dtype == expected.dtype
        same = torch.equal(
            found[key].reshape(-1).view(torch.uint8), expected.reshape(-1).view(torch.uint8)
        )
        assert same, f"P2: {key} came back changed"


def test_known_channels_of_resnet50() -> None:
    """One node a channel: the residual streams have 256, 512, 1024 and 2048 of them."""
    graph = graph_of("resnet50")
    sizes = {group.size for group in graph.groups}
    assert {64, 256, 512, 1024, 2048, 1000, 3} <= sizes
    assert graph.num_nodes < 75_000
