"""Architectures of every family, small, and batches of them with random weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

import gmn_fx
from gmn_fx.gmn import GraphBatch
from gmn_fx.graph.model import ParameterGraph
from tests.zoo import CASES

# Two or three cases of every family of the zoo (a module of tests/zoo): test_equivariance.
ZOO: dict[str, tuple[str, ...]] = {
    "dense": ("mlp-relu", "maxout", "swiglu"),
    "reuse": ("tied-autoencoder", "lora", "weight-norm"),
    "conv": ("conv-flatten-linear", "unet", "conv2d-grouped"),
    "residual": ("resnet-basic", "mobilenet-block"),
    "attention": ("mha", "perceiver", "mlp-mixer"),
    "recurrent": ("lstm", "gru-bidirectional"),
    "hf_text": ("bert",),
    "hf_vision": ("convnext", "vit"),
    "mechanisms_contraction": ("einsum-tucker", "neural-tensor"),
    "mechanisms_experts": ("moe-batched", "moe-sorted"),
    "mechanisms_scan": ("mamba-cumsum", "retention"),
    "mechanisms_heads": ("beit-table", "rotary-grid"),
    "mechanisms_space": ("deformable", "spatial-transformer"),
    "mechanisms_flows": ("flow-glow", "flow-mask-coupling"),
    "mechanisms_weights": ("weight-standardised", "parametrized-low-rank"),
    "mechanisms_groups": ("c4-lifting", "egnn"),
    "mechanisms_dynamic": ("hyper-mlp", "film-conv"),
    "mechanisms_sharing": ("tied-three-way", "shared-over-shapes"),
    "mechanisms_factors": ("outer-sums", "coordinate-bias"),
}
# Of these: dense, convolutional, residual, attention, recurrent, tied, routed, scanned.
FAMILIES = (
    "mlp-relu", "conv-flatten-linear", "resnet-basic", "mha", "lstm", "unet", "mlp-mixer",
    "moe-batched", "beit-table", "deformable", "moe-sorted", "perceiver",
)  # fmt: skip


class Net(nn.Module):
    """Convolutions, a norm, a residual, groups, a flatten: blocks of every shape."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.last = nn.Linear(4 * 16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(x)))
        return self.last((x + self.second(x)).flatten(1))


def sine(width: int = 6) -> nn.Module:
    return nn.Sequential(
        nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
    )


MAKERS: dict[str, tuple[Callable[[], nn.Module], tuple[Any, ...]]] = {
    "inr": (sine, (torch.randn(4, 2),)),
    "cnn": (Net, (torch.randn(2, 3, 4, 4),)),
    "gru": (lambda: nn.GRU(3, 4), (torch.randn(5, 2, 3),)),
    "block": (
        lambda: nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), (torch.randn(2, 5, 8),)),
}  # fmt: skip


@cache
def graphs(name: str, count: int = 3) -> tuple[ParameterGraph, ...]:
    """Networks of one architecture with different weights."""
    torch.manual_seed(0)
    make, inputs = MAKERS[name]
    first = gmn_fx.extract(make().eval(), inputs)
    return tuple(randomised(first, seed) for seed in range(count))


@cache
def family(name: str) -> ParameterGraph:
    """The graph of a zoo case, with random weights."""
    model, args, kwargs = CASES[name].make()
    return randomised(gmn_fx.extract(model, args, kwargs), 0)


def randomised(graph: ParameterGraph, seed: int) -> ParameterGraph:
    """The same architecture on random weights, all of them different."""
    generator = torch.Generator().manual_seed(seed)
    return graph.bind(
        {
            s.name: _draw(s.name, s.shape, generator).to(s.dtype)
            if s.dtype.is_floating_point
            else graph.values[s.name]
            for s in graph.slots
        }
    )


def batch(name: str, count: int = 3) -> GraphBatch:
    return GraphBatch.of(graphs(name, count)).cast(torch.float64)


def _draw(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    value = torch.randn(shape, generator=generator) * 0.5
    return value.abs() + 0.1 if name.endswith("running_var") else value
