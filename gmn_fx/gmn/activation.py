"""Activations with a backward that the sweeps can call by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """An activation with its backward.

    pure: for autograd. into: the function, written into its second argument, which may be the
    first. back: gradient from (gradient, saved), overwriting the gradient; saved is the result if
    `from_result` and the argument otherwise.
    """

    pure: Callable[[Tensor], Tensor]
    into: Callable[[Tensor, Tensor], Tensor]
    back: Callable[[Tensor, Tensor], Tensor]
    from_result: bool


def _clamp(x: Tensor, out: Tensor) -> Tensor:
    return torch.clamp_min(x, 0, out=out)


def _relu_back(g: Tensor, h: Tensor) -> Tensor:
    return aten.threshold_backward.grad_input(g, h, 0, grad_input=g)  # type: ignore[no-any-return]


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(F.relu, _clamp, _relu_back, True),
    "tanh": Activation(
        torch.tanh,
        lambda x, out: torch.tanh(x, out=out),
        lambda g, h: aten.tanh_backward.grad_input(g, h, grad_input=g),
        True,
    ),
    "gelu": Activation(
        F.gelu,
        lambda x, out: aten.gelu.out(x, out=out),
        lambda g, x: aten.gelu_backward.grad_input(g, x, grad_input=g),
        False,
    ),
    "silu": Activation(
        F.silu,
        lambda x, out: aten.silu.out(x, out=out),
        lambda g, x: aten.silu_backward.grad_input(g, x, grad_input=g),
        False,
    ),
    "square": Activation(
        torch.square,
        lambda x, out: torch.square(x, out=out),
        lambda g, x: g.mul_(x).mul_(2),
        False,
    ),
}
