"""A random network: a short program over tensors, drawn from a seed.

Each step reads tensors that are there and adds one. The draw sees shapes only, so that a program is
the same for every input of one shape, and a network can be made again from its seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tools.fuzz.draw import Draw
from tools.fuzz.steps import STEPS

_MOST = 4096


@dataclass(frozen=True)
class Step:
    """One operation: its name, which tensors it reads, and what it does with them."""

    name: str
    reads: tuple[int, ...]
    run: Callable[..., Tensor]


class RandomNet(nn.Module):
    """A network of `length` random steps over an input [batch, 3, 4] (rank 3) or [batch, 4]."""

    def __init__(self, seed: int, length: int) -> None:
        super().__init__()
        self.seed = seed
        rng = random.Random(seed)
        torch.manual_seed(seed)
        self.shape = (2, 3, 4) if rng.random() < 0.6 else (2, 4)
        self.weights = nn.ParameterList()
        self.layers = nn.ModuleList()
        self.steps: list[Step] = []
        values = [torch.randn(self.shape)]
        with torch.no_grad():
            while len(self.steps) < length:
                self._add(rng, values)
            self.outputs = self._leaves(rng, values)

    def _add(self, rng: random.Random, values: list[Tensor]) -> None:
        draw = Draw(rng, values, self.weights, self.layers)
        name = rng.choices(list(STEPS), [weight for weight, _ in STEPS.values()])[0]
        made = STEPS[name][1](draw)
        if made is None:
            return
        reads, run = made
        value = run(*(values[i] for i in reads))
        if 0 < value.numel() <= _MOST and bool(torch.isfinite(value).all()) and value.dim() < 6:
            self.steps.append(Step(name, reads, run))
            values.append(value)

    def _leaves(self, rng: random.Random, values: list[Tensor]) -> list[int]:
        read = {i for step in self.steps for i in step.reads}
        leaves = [i for i in range(len(values)) if i not in read]
        return sorted([*rng.sample(leaves, min(2, len(leaves))), len(values) - 1])[-2:]

    def example(self) -> Tensor:
        """An input."""
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(self.seed))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Run the steps."""
        values = [x]
        for step in self.steps:
            values.append(step.run(*(values[i] for i in step.reads)))
        return tuple(values[i] for i in dict.fromkeys(self.outputs))

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: x {self.shape}"]
        lines += [f"  %{i} = {s.name} {s.reads}" for i, s in enumerate(self.steps, start=1)]
        return "\n".join([*lines, f"  return {self.outputs}"])
