"""A model with a layer of its own and the layer's lowering, all in one file."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import gmn_fx
from gmn_fx.lowering import Act, Builder, Value
from gmn_fx.lowering.contract import Axes, contract


class Mix(nn.Module):
    """`x @ weight`, with the axes of the weight the other way round than in `nn.Linear`."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


plugin = gmn_fx.Plugin("my-model")


@plugin.lowering(Mix)
def mix(b: Builder, module: Mix, x: Value) -> Act:
    """A linear layer."""
    batch = "ABCDEFGH"[: len(x.shape) - 1]
    axes = Axes(f"{batch}i", "io", f"{batch}o")
    return contract(b, b.as_act(x), b.param("weight"), axes, b.shape, op="linear")


model = nn.Sequential(Mix(3, 5), nn.ReLU(), Mix(5, 2))
example_inputs = (torch.linspace(-1, 1, 6).reshape(2, 3),)
