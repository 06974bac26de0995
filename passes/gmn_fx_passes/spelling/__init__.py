"""The tables behind `canonicalise`: which spelling of an op is the canonical one."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import fx

from gmn_fx.ir import ops
from gmn_fx.ir.edit import emit
from gmn_fx_passes.spelling import arithmetic, decompose, layers, movement
from gmn_fx_passes.spelling.common import Rewrite, overloads, respell

REWRITES: Mapping[Any, Rewrite] = MappingProxyType(
    {**decompose.TABLE, **arithmetic.TABLE, **layers.TABLE, **movement.TABLE}
)
"""ATen overload -> rewrite of its node."""

RESULTS: Mapping[Any, Rewrite] = MappingProxyType(
    {**arithmetic.GETITEM, **layers.GETITEM, **movement.GETITEM}
)
"""ATen overload with several results -> rewrite of a node that reads one of them."""


FOREIGN: Mapping[str, Any] = MappingProxyType({"transformers::grouped_mm_fallback": ops.grouped_mm})
"""Ops of other libraries, which need not be installed: by name, with equal arguments."""


def rewrite(node: fx.Node) -> fx.Node | None:
    """What stands for `node` in canonical spelling; None when it is that already."""
    if node.target is operator.getitem:
        whole = node.args[0]
        change = RESULTS.get(whole.target) if isinstance(whole, fx.Node) else None
        return None if change is None else change(node)
    if not isinstance(node.target, torch._ops.OpOverload):
        return None
    foreign = FOREIGN.get(node.target._schema.name)
    if foreign is not None:
        return emit(node.graph, foreign, node.args, {}, like=node, val=node.meta["val"])
    plain = _plain_overload(node.target)
    if plain is not node.target:
        return respell(node, plain, node.args, {})
    change = REWRITES.get(node.target)
    if change is not None:
        return change(node)
    return respell(node, node.target, node.args, node.kwargs)


def _plain_overload(target: torch._ops.OpOverload) -> torch._ops.OpOverload:
    """`x` for the op `x_copy`, which functionalisation puts in the place of views."""
    name = target._schema.name.removeprefix("aten::")
    if not target._schema.name.startswith("aten::") or not name.endswith("_copy") or name[0] == "_":
        return target
    found = overloads(f"{name.removesuffix('_copy')}.{target._overloadname}")
    return found[0] if found else target


__all__ = ["RESULTS", "REWRITES", "rewrite"]
