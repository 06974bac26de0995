"""Packed sequences: packing and unpacking move steps; which lengths they go by is remembered."""

from __future__ import annotations

import torch
from torch import Tensor

from gmn_fx.ir import ops
from gmn_fx.lowering import Builder, Const, Value
from gmn_fx.lowering.movement import move

from ..plugin import plugin


@plugin.lowering(ops.pack)
def pack(b: Builder, x: Value, lengths: Value, sizes: list[int], batch_first: bool) -> Value:
    """Steps side by side along one axis. Two packings by other lengths are two functions."""

    def fn(t: Tensor) -> Tensor:
        return ops.pack(t, t, sizes, batch_first)

    return move(b, fn, x, positional=f"pack({_key(b, lengths)})")  # type: ignore[return-value]


def _key(b: Builder, lengths: Value) -> str:
    """Constant lengths by their values; those that are data by the data, whatever they come to."""
    if isinstance(lengths, Const):
        return lengths.key
    return b.data_key(b.as_act(lengths))


@plugin.lowering(ops.unpack)
def unpack(
    b: Builder, data: Value, sizes: list[int], batch_first: bool, padding: float, length: int
) -> Value:
    """Steps back in their places. What stands behind the ends is part of the history."""
    rows = ops.unpack(torch.arange(sum(sizes)), sizes, batch_first, 0, length)

    def fn(t: Tensor) -> Tensor:
        return t[rows]

    return move(b, fn, data, positional=f"unpack({padding})")  # type: ignore[return-value]
