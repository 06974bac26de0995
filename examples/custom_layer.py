"""A layer that gmn-fx cannot know, and its lowering, in one file.

`FusedSine` calls a kernel of its own, so no op of torch is left to look into. The rule below says
what the layer means: it contracts the last axis with `weight`, and then applies a sine. Check it:
`gmn-extract examples/custom_layer.py --out graph.pt --verify`.
"""

from __future__ import annotations

import torch
from torch import nn

import gmn_fx
from gmn_fx.lowering import Builder, Value
from gmn_fx.lowering.contract import Axes, contract

plugin = gmn_fx.Plugin("custom-layer-example")


@torch.library.custom_op("gmn_fx_example::fused_sine", mutates_args=())
def fused_sine(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Stands for a hand-written kernel: sin(30 W x)."""
    return torch.sin(30 * (x @ weight.T))


@fused_sine.register_fake
def _(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


class FusedSine(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / inputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return fused_sine(x, self.weight)


@plugin.lowering(FusedSine)
def lower_fused_sine(b: Builder, module: FusedSine, x: Value) -> Value:
    """Axes by letter, as in einsum: n batch, i inputs (summed), o outputs (new neurons)."""
    axes = Axes(x="ni", w="oi", out="no")
    y = contract(b, b.as_act(x), b.param("weight"), axes, b.shape, op="linear")
    return b.step(y, "sin 30")


torch.manual_seed(0)
model = nn.Sequential(FusedSine(2, 8), FusedSine(8, 8), nn.Linear(8, 3))
example_inputs = (torch.randn(5, 2),)
