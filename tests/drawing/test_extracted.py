"""Graphs from the compiler itself, not made by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import gmn_fx
from gmn_fx.drawing import draw
from tests.drawing.pictures import assert_stands_alone, drawn_nodes, of_class, parse, texts


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.inner = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(x))
        return x + torch.relu(self.inner(x))


MODELS = {
    "mlp": (nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)), torch.ones(3, 2)),
    "skip": (Skip().eval(), torch.ones(1, 1, 4, 4)),
    "lstm": (nn.LSTM(2, 3), torch.ones(4, 1, 2)),
    "norm": (nn.LayerNorm(4), torch.ones(2, 4)),
}


@pytest.mark.parametrize("view", ["architecture", "neuron"])
@pytest.mark.parametrize("name", MODELS)
def test_extracted_graphs_are_drawn(name, view):
    model, data = MODELS[name]
    graph = gmn_fx.extract(model, (data,))
    picture = draw(graph, view=view)
    assert_stands_alone(picture)
    root = parse(picture)
    drawn = len(drawn_nodes(root) if view == "neuron" else of_class(root, "node"))
    sizes = [g.size for g in graph.groups]
    # The norm of `skip` has three bias nodes, drawn as one square.
    merged = 2 if name == "skip" else 0
    assert drawn == (sum(sizes) if view == "neuron" else sum(s > 0 for s in sizes) - merged)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image, self.caption = nn.Linear(4, 3), nn.Linear(2, 3)

    def forward(self, pixels: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        left, right = (pixels / 255).chunk(2, 1)
        return self.image(torch.cat([right, left], 1)) + self.caption(words)


@pytest.mark.parametrize("view", ["architecture", "neuron"])
def test_several_inputs_have_the_names_of_their_arguments(view):
    graph = gmn_fx.extract(Two(), (torch.ones(1, 4), torch.ones(1, 2)))
    assert {"input pixels", "input words"} <= set(texts(parse(draw(graph, view=view))))
    model, data = MODELS["mlp"]
    alone = gmn_fx.extract(model, (data,))
    assert "input" in texts(parse(draw(alone, view=view)))
