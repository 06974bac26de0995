"""Constant folding: what depends on constants alone is computed, when its values are known."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.movement import const
from gmn_fx.lowering.noise import derived, drawn, is_random
from gmn_fx.lowering.values import Const

LARGEST = 50_000_000  # elements; beyond that a constant is kept unknown


def fold_constant(b: Builder, node: fx.Node, args: Any, kwargs: Any) -> Any:
    """The value of `node`, whose operands are all constants."""
    if node.target is operator.getitem:
        return args[0][args[1]]
    target: Any = node.target
    if is_random(node):
        return drawn(b, node, args) if isinstance(node.meta["val"], Tensor) else _unknown(b, node)
    if _draws_met(args):
        found = derived(b, node, args, kwargs)
        return _unknown(b, node) if found is None else found
    if not (_all_known(args) and _all_known(kwargs) and _small(node)):
        return _unknown(b, node)
    try:
        with torch.no_grad():
            result = target(*_real(args), **{k: v for k, v in _real(kwargs).items()})
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        return _unknown(b, node)
    return _wrapped(b, result)


def _draws_met(args: Any) -> bool:
    return any(isinstance(a, Const) and bool(a.noise) for a in args)


def _wrapped(b: Builder, result: Any) -> Any:
    if isinstance(result, Tensor):
        return const(b, result)
    if isinstance(result, (tuple, list)):
        return tuple(_wrapped(b, r) for r in result)
    return result


def _small(node: fx.Node) -> bool:
    val = node.meta.get("val")
    items = val if isinstance(val, (tuple, list)) else (val,)
    return all(v.numel() <= LARGEST for v in items if isinstance(v, Tensor))


def _unknown(b: Builder, node: fx.Node) -> Any:
    val = node.meta["val"]
    if isinstance(val, (tuple, list)):
        return tuple(
            Const(tuple(v.shape), None, f"{node.name}[{i}]", v.dtype)
            if isinstance(v, Tensor)
            else v
            for i, v in enumerate(val)
        )
    return Const(tuple(val.shape), None, node.name, val.dtype) if isinstance(val, Tensor) else val


def _all_known(item: Any) -> bool:
    if isinstance(item, Const):
        return item.value is not None
    if isinstance(item, (list, tuple)):
        return all(_all_known(i) for i in item)
    if isinstance(item, dict):
        return all(_all_known(i) for i in item.values())
    return True


def _real(item: Any) -> Any:
    """Values in place of constants; everything on the CPU."""
    if isinstance(item, Const):
        return item.value
    if isinstance(item, torch.device):
        return torch.device("cpu")
    if isinstance(item, tuple):
        return tuple(_real(i) for i in item)
    if isinstance(item, list):
        return [_real(i) for i in item]
    if isinstance(item, dict):
        return {k: _real(v) for k, v in item.items()}
    return item
