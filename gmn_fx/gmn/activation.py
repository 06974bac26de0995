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

    run: the function; it may overwrite its argument. back: gradient from (gradient, saved), where
    saved is the result if `from_result` and the argument otherwise. pure: for autograd.
    """

    pure: Callable[[Tensor], Tensor]
    run: Callable[[Tensor], Tensor]
    back: Callable[[Tensor, Tensor], Tensor]
    from_result: bool


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(F.relu, torch.relu_, lambda g, h: aten.threshold_backward(g, h, 0), True),
    "tanh": Activation(torch.tanh, torch.tanh_, aten.tanh_backward, True),
    "gelu": Activation(F.gelu, F.gelu, aten.gelu_backward, False),
    "silu": Activation(F.silu, F.silu, aten.silu_backward, False),
    "square": Activation(torch.square, torch.square, lambda g, x: g * x * 2, False),
}
