"""Ops that make tensors from the shape of another: constants, and noise."""

from __future__ import annotations

from typing import Any

import torch

from gmn_fx.lowering import Builder, Const
from gmn_fx.lowering.movement import const
from gmn_fx.lowering.selected import reads_selected

from ..plugin import plugin

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
    aten.rand_like, aten.randn_like, aten.bernoulli, aten.randint_like, aten.exponential,
    aten.normal_functional, aten.uniform, aten.normal, aten.log_normal, aten.cauchy, aten.geometric,
    aten.poisson, aten.multinomial, aten._standard_gamma,
)  # fmt: skip
def noise(b: Builder, *_: Any, **__: Any) -> Const:
    """Noise: a constant whose value nobody knows."""
    return Const(b.shape, None, b.root())
