"""P4 for architectures whose symmetry group is known: the group found has exactly its order.

The order is counted by orbits and stabilisers: the size of a cell of the stable colouring, times
the order of what is left when one of its nodes is fixed. That a cell is an orbit is what the
oracle's samples show; an order below the known one means a needless label, one above it a missing
label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import factorial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gmn_fx
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.symmetry import verify
from gmn_fx.symmetry.automorphism import Symmetry
from gmn_fx.symmetry.typed import columns_of, typed_graph
from tests.zoo import CASES


def group_order(graph: ParameterGraph) -> int:
    """Order of the automorphism group of the typed graph, as far as colours tell orbits."""
    colouring = Symmetry.of(typed_graph(columns_of(graph))).stable.copy()
    order = 1
    while True:
        size = colouring.size[: colouring.count]
        open_cells = np.flatnonzero(size > 1)
        if not len(open_cells):
            return order
        cell = int(open_cells[np.argmin(size[open_cells])])
        order *= int(size[cell])
        colouring.individualise(colouring.members(cell)[:1])


class Perceptron(nn.Module):
    def __init__(self, *widths: int, act: Callable[[Tensor], Tensor] = torch.tanh) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = self.act(layer(x))
        return self.layers[-1](x)


class ResidualStream(nn.Module):
    """Git Re-Basin: one permutation for the stream, one for the inside of each block."""

    def __init__(self, width: int, inner: int, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.up = nn.ModuleList(nn.Conv2d(width, inner, 3, padding=1) for _ in range(blocks))
        self.down = nn.ModuleList(nn.Conv2d(inner, width, 3, padding=1) for _ in range(blocks))
        self.norm = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(blocks))
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for up, down, norm in zip(self.up, self.down, self.norm, strict=True):
            x = x + norm(down(F.relu(up(x))))
        return self.head(x.mean((2, 3)))


class Attention(nn.Module):
    """Heads may change places; in a head, query with key units, and value units."""

    def __init__(self, width: int, heads: int, size: int) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 2)
        self.q, self.k, self.v = (nn.Linear(width, heads * size) for _ in range(3))
        self.out, self.heads = nn.Linear(heads * size, width), heads

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                   for f in (self.q, self.k, self.v))  # fmt: skip
        return self.head(x + self.out(F.scaled_dot_product_attention(q, k, v)
                                      .transpose(1, 2).flatten(2)))  # fmt: skip


class SharedKeys(Attention):
    """Grouped queries: heads move with their group, and groups among themselves."""

    def __init__(self, width: int, heads: int, groups: int, size: int) -> None:
        super().__init__(width, heads, size)
        self.groups = groups
        self.k, self.v = (nn.Linear(width, groups * size) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        q = self.q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = (f(x).unflatten(-1, (self.groups, -1)).transpose(1, 2) for f in (self.k, self.v))
        k, v = (t.repeat_interleave(self.heads // self.groups, 1) for t in (k, v))
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.head(x + self.out(out))


class Grouped(nn.Module):
    """A grouped convolution between two dense ones: groups, and channels in each."""

    def __init__(self, groups: int, inner: int, outer: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(2, groups * inner, 1)
        self.middle = nn.Conv2d(groups * inner, groups * outer, 3, groups=groups)
        self.leave = nn.Conv2d(groups * outer, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(F.relu(self.middle(F.relu(self.enter(x)))))


class Gated(nn.Module):
    """SwiGLU: a unit of the gate goes with its unit of the value."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate, self.value, self.out = (
            nn.Linear(3, width), nn.Linear(3, width), nn.Linear(width, 2),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.silu(self.gate(x)) * self.value(x))


def _norm_mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 2))


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 2),
        nn.ReLU(), nn.Flatten(), nn.Linear(20, 3),
    )  # fmt: skip


f = factorial
IMAGE, TOKENS = (2, 3, 6, 6), (2, 5, 3)
# name -> model, shape of its input, order of its group
KNOWN: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "MLP": (lambda: Perceptron(3, 5, 7, 2), (2, 3), f(5) * f(7)),
    "SIREN": (lambda: Perceptron(2, 6, 6, 1, act=torch.sin), (2, 2), f(6) ** 2),
    "MLP with layer norm": (_norm_mlp, (2, 3), f(6)),
    "CNN with flatten": (_cnn, (2, 2, 9, 9), f(4) * f(5)),
    "ResNet stream": (lambda: ResidualStream(5, 4, 2), IMAGE, f(5) * f(4) ** 2),
    "attention": (lambda: Attention(5, 2, 3), TOKENS, f(5) * f(2) * (f(3) * f(3)) ** 2),
    "grouped-query attention": (
        lambda: SharedKeys(5, 4, 2, 3), TOKENS, f(5) * f(2) * (f(2) * f(3) * f(3)) ** 2),
    "grouped convolution": (
        lambda: Grouped(3, 2, 4), (2, 2, 6, 6), f(3) * (f(2) * f(4)) ** 3),
    "depthwise convolution": (lambda: Grouped(5, 1, 1), (2, 2, 6, 6), f(5)),
    "SwiGLU": (lambda: Gated(6), (2, 3), f(6)),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_the_group_has_its_known_order(name: str) -> None:
    make, shape, order = KNOWN[name]
    torch.manual_seed(0)
    model, x = make().eval(), torch.randn(shape)
    graph = gmn_fx.extract(model, (x,))
    assert group_order(graph) == order
    assert verify(model, graph, (x,), controls=False).ok


# Stem of width w, experts e with h hidden units each.
_EXPERTS = {
    "moe-scatter": (5, 3, 6), "moe-one-hot": (5, 3, 6), "moe-gather": (5, 3, 6),
    "moe-gathered-weights": (5, 3, 6), "moe-batched": (5, 3, 6), "moe-sorted": (8, 3, 16),
}  # fmt: skip


@pytest.mark.parametrize("name", _EXPERTS)
def test_experts_and_the_units_of_each_are_free(name: str) -> None:
    """However the experts are spelt: their own units, the experts, and the stream."""
    width, experts, hidden = _EXPERTS[name]
    model, args, kwargs = CASES[name].make()
    graph = gmn_fx.extract(model, args, kwargs)
    expected = factorial(width) * factorial(experts) * factorial(hidden) ** experts
    assert group_order(graph) == expected


def test_the_count_can_fail() -> None:
    """A needless label halves a group; a lost one enlarges it."""
    graph: Any = gmn_fx.extract(Perceptron(3, 4, 2), (torch.randn(2, 3),))
    assert group_order(graph) == factorial(4)
    labelled = [replace(g, label=IndexMap.from_array(np.arange(g.size) % 2))
                if g.size == 4 else g for g in graph.groups]  # fmt: skip
    assert group_order(replace(graph, groups=tuple(labelled))) == 4
