"""The layers. Nothing here knows of gmn-fx."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LowRankLinear(nn.Module):
    """`x @ down @ up`: a linear layer through `rank` hidden units."""

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(inputs, rank))
        self.up = nn.Parameter(torch.randn(rank, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("...r,ro->...o", torch.einsum("...i,ir->...r", x, self.down), self.up)


class Net(nn.Module):
    """An MLP out of low-rank layers; the multiplication by one is what the pass removes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = LowRankLinear(3, 8, rank=2)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.first(x)) * 1.0)
