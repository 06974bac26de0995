"""The random choices that a step of a random network makes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Which tensors a step reads, and what it does with them; None where nothing fits.
Made = tuple[tuple[int, ...], Callable[..., Tensor]] | None


@dataclass
class Draw:
    """Random choices over the tensors that are there (index 0 is the batch axis of each)."""

    rng: random.Random
    values: Sequence[Tensor]
    weights: nn.ParameterList
    layers: nn.ModuleList

    def one(self, least: int = 2) -> tuple[int, Tensor] | None:
        """A tensor of at least this rank; later ones are likelier."""
        fit = [i for i, v in enumerate(self.values) if v.dim() >= least]
        if not fit:
            return None
        i = fit[max(self.rng.randrange(len(fit)), self.rng.randrange(len(fit)))]
        return i, self.values[i]

    def like(self, i: int) -> int | None:
        """Another tensor of the same shape."""
        fit = [j for j, v in enumerate(self.values) if v.shape == self.values[i].shape and j != i]
        return self.rng.choice(fit) if fit else None

    def axis(self, x: Tensor) -> int:
        """An axis other than the batch."""
        return self.rng.randrange(1, x.dim())

    def weight(self, *shape: int, new: float = 0.7) -> Tensor:
        """A parameter; sometimes one that is there already."""
        fit = [w for w in self.weights if tuple(w.shape) == shape]
        if fit and self.rng.random() > new:
            return self.rng.choice(fit)
        self.weights.append(nn.Parameter(torch.randn(shape) * 0.7))
        return self.weights[-1]
