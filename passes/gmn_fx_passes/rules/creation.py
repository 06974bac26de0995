"""Ops that make tensors from the shape of another: constants, and noise."""

from __future__ import annotations

from typing import Any

import torch

from gmn_fx.lowering import Builder, Const, Value
from gmn_fx.lowering.movement import const
from gmn_fx.lowering.noise import drawn
from gmn_fx.lowering.selected import reads_selected

from ..plugin import plugin
from .pointwise import elementwise

aten = torch.ops.aten


@plugin.lowering(
    aten.zeros_like,
    aten.ones_like,
    aten.full_like,
    aten.new_zeros,
    aten.new_ones,
    aten.new_full,
    aten.empty_like,
    aten.new_empty,
)
@reads_selected
def filled(b: Builder, x: Any, *args: Any, **_: Any) -> Const:
    """A constant of the shape of the result."""
    name = b.node.target.overloadpacket.__name__  # type: ignore[union-attr]
    value = 1.0 if "ones" in name else float(args[-1]) if "full" in name else 0.0
    dtype = b.node.meta["val"].dtype  # type: ignore[union-attr]
    return const(b, torch.tensor(value, dtype=dtype).expand(b.shape))


@plugin.lowering(
    aten.rand_like, aten.randn_like, aten.bernoulli.p, aten.randint_like, aten.exponential,
    aten.normal_functional, aten.uniform, aten.normal, aten.log_normal, aten.cauchy, aten.geometric,
    aten.multinomial,
)  # fmt: skip
def noise(b: Builder, *_: Any, **__: Any) -> Const:
    """Noise: a constant whose value nobody knows."""
    assert b.node is not None
    return drawn(b, b.node)


@plugin.lowering(
    aten.bernoulli, aten.poisson, aten._standard_gamma, aten.normal.Tensor_float,
    aten.normal.float_Tensor, aten.normal.Tensor_Tensor,
)  # fmt: skip
def sampled(b: Builder, *args: Any, **_: Any) -> Value:
    """A draw for each element by a law that operands say: a function of them, but for chance."""
    assert b.node is not None
    return elementwise(b, b.node.target.overloadpacket.__name__, args, {})  # type: ignore[union-attr]
