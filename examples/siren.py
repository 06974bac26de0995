"""A SIREN: an implicit neural representation, colour as a function of position."""

from __future__ import annotations

import math

import torch
from torch import nn


class Sine(nn.Module):
    """sin(omega * (Wx + b)) with the initialisation of the paper."""

    def __init__(self, inputs: int, outputs: int, omega: float = 30.0, first: bool = False) -> None:
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(inputs, outputs)
        bound = 1 / inputs if first else math.sqrt(6 / inputs) / omega
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(self.omega * self.linear(x))


class Siren(nn.Module):
    def __init__(self, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [Sine(2, width, first=True)]
        layers += [Sine(width, width) for _ in range(depth - 1)]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def build() -> nn.Module:
    """The factory that gmn-extract calls: no required arguments, same weights every time."""
    torch.manual_seed(0)
    return Siren()
