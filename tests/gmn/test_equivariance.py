"""Under automorphisms of the graph the invariant head stays, the equivariant one moves along.

Every family of the zoo meets every pair of values of two options, and every executor.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gmn_fx.gmn import EquivariantGMN, GMNConfig, GraphBatch, InvariantGMN, NodeGMN, Vocabulary
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.symmetry.automorphism import Symmetry, parameter_map, random_automorphism
from gmn_fx.symmetry.typed import columns_of, typed_graph
from tests.gmn.nets import ZOO, family, graphs
from tests.gmn.pairwise import OPTIONS, pairwise, spelled
from tests.zoo import _FAMILIES

EXECUTORS = ("reference", "flat", "dense", "stream", "auto")
CHOICES = {"executor": EXECUTORS, "pool": ("graph", "kind", "depth"), **OPTIONS}
SETTINGS = pairwise(CHOICES)


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


def scattered(graph: ParameterGraph) -> tuple[ParameterGraph, np.ndarray]:
    """Weights exchanged at random: no automorphism."""
    floats = [s for s in graph.slots if s.dtype.is_floating_point]
    place = np.concatenate([np.arange(s.offset, s.offset + s.numel) for s in floats])
    image = np.arange(sum(s.numel for s in graph.slots))
    image[place] = np.random.default_rng(0).permutation(place)
    return graph.bind(shuffled(graph, dict(graph.values), image)), image


def double(graph: ParameterGraph) -> ParameterGraph:
    return graph.bind(
        {n: v.double() if v.is_floating_point() else v for n, v in graph.values.items()}
    )


@functools.cache
def vocabulary_of(name: str) -> Vocabulary:
    return Vocabulary.fit([family(name)])


@functools.cache
def triple(name: str) -> tuple[GraphBatch, np.ndarray, np.ndarray]:
    """A network, the same moved by an automorphism, and with exchanged weights; both maps."""
    graph = double(family(name))
    (other, _, image), (broken, wrong) = moved(graph), scattered(graph)
    return GraphBatch.of([graph, other, broken]), image, wrong


def gap(left: Tensor, right: Tensor) -> float:
    """Relative to the largest."""
    return float((left - right).abs().max() / left.abs().max().clamp(min=1e-12))


def heads(number: int, seed: int, name: str) -> tuple[InvariantGMN, EquivariantGMN]:
    """Both heads, on one metanet."""
    options = dict(SETTINGS[number])
    executor, pool = options.pop("executor"), options.pop("pool")
    config, vocabulary = GMNConfig(hidden=6, layers=2, **options), vocabulary_of(name)
    torch.manual_seed(seed)
    invariant = InvariantGMN(config, vocabulary, 3, pool=pool, executor=executor).double().eval()
    edit = EquivariantGMN(GMNConfig(hidden=6, layers=1), vocabulary, scale=1.0).double().eval()
    edit.gmn = invariant.gmn
    return invariant, edit


def gaps(
    invariant: InvariantGMN, edit: EquivariantGMN, batch: GraphBatch, images: Sequence[np.ndarray]
) -> list[tuple[float, float]]:
    """For each network after the first: how far are its vector from that of the first, and its
    edit from the edit of the first, moved?"""
    graph = batch.structure
    used = [s.name for s in graph.slots if s.used and s.dtype.is_floating_point]
    with torch.no_grad():
        vectors = invariant(batch)
        first, *rest = edit(batch).state_dicts(add=False, frozen=True)
    out = []
    for vector, state, image in zip(vectors[1:], rest, images, strict=True):
        expected = shuffled(graph, first, image)
        here, there = (torch.cat([t[n].reshape(-1) for n in used]) for t in (expected, state))
        out.append((gap(vectors[0], vector), gap(here, there)))
    return out


def test_every_pair_of_options_is_there() -> None:
    for one, two in itertools.combinations(CHOICES, 2):
        seen = {(row[one], row[two]) for row in SETTINGS}
        assert seen == set(itertools.product(CHOICES[one], CHOICES[two]))
    assert {module.__name__.rsplit(".", 1)[-1] for module in _FAMILIES} == ZOO.keys()
    for module in _FAMILIES:
        names = {case.name for case in module.CASES}
        assert names.issuperset(ZOO[module.__name__.rsplit(".", 1)[-1]])


@pytest.mark.parametrize("number", range(len(SETTINGS)), ids=lambda n: spelled(SETTINGS[n]))
@pytest.mark.parametrize("kind", ZOO)
def test_heads_respect_the_symmetries(kind: str, number: int) -> None:
    name = ZOO[kind][number % len(ZOO[kind])]
    batch, *images = triple(name)
    control = 0.0
    for seed in range(5):  # a metanet may be blind by its random weights (dead or saturated units)
        same, other = gaps(*heads(number, seed, name), batch, images)
        assert max(same) < 1e-9
        control = max(control, min(other))
        if control > 1e-6:
            break
    # the negative control: both notice a permutation that is no automorphism
    assert control > 1e-6


@pytest.mark.parametrize("name", ["inr", "cnn", "block"])
def test_node_outputs_move_with_the_nodes(name: str) -> None:
    graph = double(graphs(name)[0])
    torch.manual_seed(0)
    config = GMNConfig(hidden=5, layers=2)
    head = NodeGMN(config, Vocabulary.fit([graph]), 2, executor="dense").double()
    other, found, _ = moved(graph)
    here, there = (head(GraphBatch.of([g]))[0] for g in (graph, other))
    assert torch.allclose(there[torch.from_numpy(found.node.copy())], here, atol=1e-11)
    assert not torch.allclose(there, here, atol=1e-6)
