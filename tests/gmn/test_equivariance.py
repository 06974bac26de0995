"""Under automorphisms of the graph the invariant head stays, the equivariant one moves along."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gmn_fx.gmn import EquivariantGMN, GMNConfig, GraphBatch, InvariantGMN, NodeGMN, Vocabulary
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.symmetry.automorphism import Symmetry, parameter_map, random_automorphism
from gmn_fx.symmetry.typed import columns_of, typed_graph
from tests.gmn.nets import FAMILIES, family, graphs
from tests.gmn.test_executors import combinations

EXECUTORS = ("reference", "flat", "dense", "stream")


def moved(graph: ParameterGraph, seed: int = 0) -> tuple[ParameterGraph, Any, np.ndarray]:
    """The same network with its neurons exchanged, the automorphism and its parameter map."""
    columns = columns_of(graph)
    symmetry = Symmetry.of(typed_graph(columns))
    found = random_automorphism(symmetry, np.random.default_rng(seed), stir=True)
    assert found is not None
    image = parameter_map(symmetry.graph, found.edge, len(columns.category))
    assert image is not None
    assert (image != np.arange(len(image))).any()
    return graph.bind(shuffled(graph, dict(graph.values), image)), found, image


def shuffled(
    graph: ParameterGraph, state: dict[str, Tensor], image: np.ndarray
) -> dict[str, Tensor]:
    """Entry k of the flat parameter vector moved to `image[k]`."""
    flat = torch.cat([state[s.name].double().reshape(-1) for s in graph.slots])
    out = torch.empty_like(flat)
    out[torch.from_numpy(image.copy())] = flat
    return {
        s.name: out[s.offset : s.offset + s.numel].reshape(s.shape).to(state[s.name].dtype)
        for s in graph.slots
    }


def config(**options: Any) -> GMNConfig:
    return GMNConfig(**{"hidden": 5, "layers": 2, **options})


def double(graph: ParameterGraph) -> ParameterGraph:
    return graph.bind(
        {n: v.double() if v.is_floating_point() else v for n, v in graph.values.items()}
    )


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", FAMILIES)
def test_invariant_head(name: str, executor: Any) -> None:
    graph = double(family(name))
    for pool in ("graph", "kind", "depth"):
        torch.manual_seed(0)
        head = InvariantGMN(config(), Vocabulary.fit([graph]), 3, pool=pool, executor=executor)
        head = head.double().eval()
        other, _, _ = moved(graph)
        assert torch.allclose(head(graph), head(other), atol=1e-11)
        # a negative control: weights exchanged that may not be
        wrong = np.random.default_rng(0).permutation(sum(s.numel for s in graph.slots))
        broken = graph.bind(shuffled(graph, dict(graph.values), wrong))
        assert not torch.allclose(head(graph), head(broken), atol=1e-6)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", FAMILIES)
def test_equivariant_head(name: str, executor: Any) -> None:
    graph = double(family(name))
    torch.manual_seed(0)
    head = EquivariantGMN(config(), Vocabulary.fit([graph]), scale=1.0, executor=executor).double()
    other, _, image = moved(graph)
    here, there = (head(g).state_dicts(add=False, frozen=True)[0] for g in (graph, other))
    expected = shuffled(graph, here, image)
    for slot in graph.slots:
        if slot.used and slot.dtype.is_floating_point:
            assert torch.allclose(expected[slot.name], there[slot.name], atol=1e-11), slot.name


@pytest.mark.parametrize("name", ["inr", "cnn", "block"])
def test_node_outputs_move_with_the_nodes(name: str) -> None:
    graph = double(graphs(name)[0])
    torch.manual_seed(0)
    head = NodeGMN(config(), Vocabulary.fit([graph]), 2, executor="dense").double()
    other, found, _ = moved(graph)
    here, there = (head(GraphBatch.of([g]))[0] for g in (graph, other))
    assert torch.allclose(there[torch.from_numpy(found.node.copy())], here, atol=1e-11)


@pytest.mark.parametrize("options", combinations(8), ids=lambda o: "-".join(map(str, o.values())))
def test_every_option_is_equivariant(options: dict[str, Any]) -> None:
    graph = double(graphs("cnn")[0])
    other, _, image = moved(graph)
    executor: Any = random.Random(str(options)).choice(EXECUTORS)
    torch.manual_seed(0)
    vocabulary = Vocabulary.fit([graph])
    invariant = InvariantGMN(config(**options), vocabulary, 2, executor=executor).double().eval()
    assert torch.allclose(invariant(graph), invariant(other), atol=1e-9)
    edit = EquivariantGMN(config(**options), vocabulary, scale=1.0, executor=executor).double()
    here, there = (edit(g).state_dicts(add=False, frozen=True)[0] for g in (graph, other))
    expected = shuffled(graph, here, image)
    assert all(torch.allclose(expected[s.name], there[s.name], atol=1e-9)
               for s in graph.slots if s.used and s.dtype.is_floating_point)  # fmt: skip
