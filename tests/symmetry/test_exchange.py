"""Orbits of neurons, as the explorer lights them."""

from __future__ import annotations

import torch
from torch import nn

import gmn_fx
from gmn_fx.symmetry import node_orbits


def orbits_of(graph, name: str) -> list[int]:
    group = next(g for g in graph.groups if g.name == name and g.kind != "bias")
    found = node_orbits(graph)[group.start : group.start + group.size]
    return sorted(found.tolist().count(o) for o in set(found.tolist()))


def test_hidden_neurons_are_one_orbit_and_outputs_are_fixed():
    model = nn.Sequential(nn.Linear(3, 7), nn.ReLU(), nn.Linear(7, 2))
    graph = gmn_fx.extract(model, args=(torch.ones(1, 3),))
    assert orbits_of(graph, "0") == [7]
    assert orbits_of(graph, "2") == [1, 1]


def test_neurons_that_are_scaled_apart_have_orbits_of_their_own():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc2(torch.relu(self.fc1(x)) * torch.tensor([1.0, 1.0, 2.0, 2.0]))

    graph = gmn_fx.extract(Net(), args=(torch.ones(1, 3),))
    assert orbits_of(graph, "fc1") == [2, 2]


def test_orbits_are_the_same_every_time():
    model = nn.Sequential(nn.Linear(3, 7), nn.ReLU(), nn.Linear(7, 2))
    graph = gmn_fx.extract(model, args=(torch.ones(1, 3),))
    assert (node_orbits(graph) == node_orbits(graph)).all()
