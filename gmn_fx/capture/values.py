"""Node values as gmn-fx keeps them: shapes and dtypes on the meta device, never data."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx


class DataDependentError(Exception):
    """A size in the captured graph depends on data: the rung cannot be used."""


def meta_value(value: Any, node: fx.Node) -> Any:
    """`value` with every tensor on the meta device and every symbolic number made plain."""
    if isinstance(value, torch.Tensor):
        size = [_plain(s, node) for s in value.shape]
        stride = [_plain(s, node) for s in value.stride()]
        return torch.empty_strided(size, stride, dtype=value.dtype, device="meta")
    if isinstance(value, (tuple, list)):
        return type(value)(meta_value(v, node) for v in value)
    if isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)):
        return _plain(value, node)
    return value


def plain_argument(value: Any, node: fx.Node) -> Any:
    """A node's argument with symbolic numbers made plain."""
    if isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)):
        return _plain(value, node)
    return value


def _plain(value: Any, node: fx.Node) -> Any:
    if not isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)):
        return value
    known = value.node.maybe_as_int() if isinstance(value, torch.SymInt) else None
    if known is None:
        raise DataDependentError(f"a size of {node.target} ({node.name}) depends on data: {value}")
    return known
