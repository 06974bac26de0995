"""One model of the zoo: how to build it, and what is known about it beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

Sample = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A tiny network that must become a correct parameter graph.

    name: kebab-case, unique in the zoo.
    build: (batch, size) -> (model, args, kwargs). `size` is what an example may vary in: the
        image side, the sequence length. Builders draw weights from the global generator; call
        `make`, which seeds it.
    size: the usual size.
    resized: another size under which the graph must be the same, None where the structure
        follows the size (a flatten, a table of learned positions, token mixing).
    batched: whether the graph must be the same for another batch size.
    train: leave the model in training mode.
    parameters: number of elements in all slots (tied ones once), where somebody counted them.
    classes: slot -> number of kinds of elements in it that the network can tell apart, where
        the symmetry of the architecture is known. A `Linear(3, 8)` between an input and a
        hidden layer has 3 (the inputs), one between two hidden layers has 1. Elements count as
        one kind when their ends and their edge type are.
    heavy: the capture or the oracle takes more than a few seconds.
    """

    name: str
    build: Callable[[int, int], Sample]
    size: int = 8
    resized: int | None = None
    batched: bool = True
    train: bool = False
    parameters: int | None = None
    classes: Mapping[str, int] = field(default_factory=dict)
    heavy: bool = False

    def make(self, *, batch: int = 2, size: int | None = None, seed: int = 0) -> Sample:
        """Build the model and its example inputs; the global generator is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model, args, kwargs = self.build(batch, self.size if size is None else size)
            return model.train(self.train), args, kwargs


def simple(
    make: Callable[[], nn.Module], *shape: int | str, dtype: torch.dtype | None = None
) -> Callable[[int, int], Sample]:
    """A builder for a model of one float input of shape `(batch, *shape)`; "s" is the size."""

    def build(batch: int, size: int) -> Sample:
        sides = [size if isinstance(n, str) else n for n in shape]
        return make(), (torch.randn(batch, *sides, dtype=dtype),), {}

    return build


class Apply(nn.Module):
    """A function of tensors as a module, so that it fits into `nn.Sequential`."""

    def __init__(self, fn: Callable[..., Any], name: str = "") -> None:
        super().__init__()
        self.fn = fn
        self.label = name

    def forward(self, *args: torch.Tensor) -> Any:
        return self.fn(*args)

    def extra_repr(self) -> str:
        return self.label
