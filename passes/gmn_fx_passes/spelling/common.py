"""What the spelling tables share: the rewrite type, the normal form of arguments, `respell`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx

from gmn_fx.ir.edit import bind_arguments, emit, shape_of

aten = torch.ops.aten

Rewrite = Callable[[fx.Node], fx.Node | None]
"""Returns the node that stands for the given one from now on, or None to leave it alone."""

_GROWS = frozenset({"aten::unsqueeze", "aten::stack"})


def table_decorator(table: dict[Any, Rewrite]) -> Callable[..., Callable[[Rewrite], Rewrite]]:
    """A decorator `@rewrites("name", "name.overload")` that fills `table`.

    A bare name stands for every overload. Names that this version of torch lacks are skipped.
    """

    def rewrites(*names: str) -> Callable[[Rewrite], Rewrite]:
        def register(function: Rewrite) -> Rewrite:
            for name in names:
                for overload in overloads(name):
                    table[overload] = function
            return function

        return register

    return rewrites


def overloads(name: str) -> list[Any]:
    """The functional overloads of "add" or the one of "add.Tensor"."""
    base, _, which = name.partition(".")
    packet = getattr(aten, base, None)
    if packet is None:
        return []
    names = [which] if which else packet.overloads()
    found = [getattr(packet, n, None) for n in names]
    return [o for o in found if o is not None and not any(a.is_out for a in o._schema.arguments)]


def dtype_of(node: fx.Node) -> torch.dtype:
    """Dtype of the tensor that `node` makes."""
    dtype: torch.dtype = node.meta["val"].dtype
    return dtype


def rank(node: fx.Node) -> int:
    """Number of axes of the tensor that `node` makes."""
    return len(shape_of(node))


def wrap(dim: int, ndim: int) -> int:
    """`dim` counted from the front."""
    return int(dim) % max(ndim, 1)


def wrap_all(dims: int | Sequence[int] | None, ndim: int) -> list[int]:
    """A dim argument as a list of axes; None and [] are all axes."""
    if dims is None or (not isinstance(dims, int) and len(dims) == 0):
        return list(range(ndim))
    return [wrap(d, ndim) for d in ([dims] if isinstance(dims, int) else dims)]


def normal_form(
    target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """One way to write a call: axes counted from the front, positional, no trailing defaults."""
    schema = target._schema
    bound = bind_arguments(target, args, kwargs)
    ndim = _reference_rank(bound) + (schema.name in _GROWS)
    out: list[Any] = []
    named: dict[str, Any] = {}
    keep = 0
    for arg in schema.arguments:
        if arg.name not in bound:
            break
        item = _wrapped(arg.name, bound[arg.name], ndim)
        default = arg.has_default_value() and _same(item, arg.default_value)
        if arg.kwarg_only:
            if not default:
                named[arg.name] = item
            continue
        out.append(item)
        keep = keep if default else len(out)
    return tuple(out[:keep]), named


def _reference_rank(bound: Mapping[str, Any]) -> int:
    """Rank of the first tensor argument (or of the first tensor of a list)."""
    for item in bound.values():
        first = item[0] if isinstance(item, (list, tuple)) and item else item
        if isinstance(first, fx.Node):
            val = first.meta.get("val")
            return val.dim() if isinstance(val, torch.Tensor) else 0
    return 0


def _wrapped(name: str, item: Any, ndim: int) -> Any:
    if name == "dim" and isinstance(item, int) and not isinstance(item, bool):
        return wrap(item, ndim)
    if name in ("dim", "dims") and isinstance(item, (list, tuple)) and ndim:
        return [wrap(d, ndim) for d in item]
    return list(item) if isinstance(item, tuple) else item


def _same(item: Any, default: Any) -> bool:
    if isinstance(item, fx.Node):
        return False
    if isinstance(item, (list, tuple)) and isinstance(default, (list, tuple)):
        return list(item) == list(default)
    return bool(item == default)


def respell(
    node: fx.Node, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None
) -> fx.Node | None:
    """`target(*args, **kwargs)` in normal form in place of `node`; None if it is that already.

    The result must be the value of `node`, so its `val` is kept.
    """
    new_args, named = normal_form(target, args, kwargs or {})
    if node.target is target and _equal(new_args, node.args) and _equal(named, node.kwargs):
        return None
    return emit(node.graph, target, new_args, named, like=node, val=node.meta["val"])


def step(node: fx.Node, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
    """An intermediate value on the way to the new spelling of `node`."""
    new_args, named = normal_form(target, args, kwargs)
    return emit(node.graph, target, new_args, named, like=node)


def _equal(left: Any, right: Any) -> bool:
    """Equality of arguments that tells 1 from 1.0 and True, and takes lists for tuples."""
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[k], right[k]) for k in left)
    return type(left) is type(right) and bool(left == right)
