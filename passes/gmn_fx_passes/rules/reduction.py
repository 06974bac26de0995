"""Reductions and softmax."""

from __future__ import annotations

from typing import Any

import torch

from gmn_fx.ir import ops
from gmn_fx.lowering import Act, Builder, Par, Value
from gmn_fx.lowering.axes import varying
from gmn_fx.lowering.contract import par_factors
from gmn_fx.lowering.reduce import along, reduce
from gmn_fx.lowering.selected import rows_alike_along

from ..plugin import plugin

aten = torch.ops.aten


def _act(b: Builder, x: Value) -> Act:
    if isinstance(x, Par) and len(varying(x.slots)) >= 2:
        return par_factors(b, x)
    return b.as_act(x)


def _name(b: Builder) -> str:
    assert b.node is not None
    return b.node.target.overloadpacket.__name__  # type: ignore[union-attr]


def _dims(x: Value, dim: Any) -> list[int]:
    if dim is None or dim == []:
        return list(range(len(x.shape)))
    return [dim] if isinstance(dim, int) else list(dim)


@plugin.lowering(
    aten.sum,
    aten.mean,
    aten.amax,
    aten.amin,
    aten.logsumexp,
    aten.prod,
    aten.nansum,
    aten.any,
    aten.all,
    aten.median.default,
    aten.max.default,
    aten.min.default,
)
@rows_alike_along(lambda x, dim=None, *_, **__: dim)
def simple(b: Builder, x: Value, dim: Any = None, keepdim: bool = False, **_: Any) -> Act:
    """Reductions spelled (x, dim, keepdim)."""
    return reduce(b, _act(b, x), _dims(x, dim), _name(b), keepdim=keepdim)


@plugin.lowering(aten.var, aten.std, aten.var_mean, aten.std_mean)
def variance(b: Builder, x: Value, dim: Any = None, *rest: Any, **kwargs: Any) -> Any:
    """Variance and standard deviation (with or without the mean)."""
    if isinstance(dim, bool):  # the overload var(x, unbiased)
        dim = None
    keepdim = bool(
        kwargs.get("keepdim", rest[-1] if rest and isinstance(rest[-1], bool) else False)
    )
    name = _name(b)
    attr = (
        f"correction={kwargs['correction']}" if kwargs.get("correction", 1) not in (1, None) else ""
    )
    out = reduce(
        b, _act(b, x), _dims(x, dim), name.removesuffix("_mean"), keepdim=keepdim, attr=attr
    )
    if not name.endswith("_mean"):
        return out
    return out, reduce(b, _act(b, x), _dims(x, dim), "mean", keepdim=keepdim)


@plugin.lowering(aten.linalg_vector_norm, aten.norm)
def vector_norm(
    b: Builder, x: Value, order: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any
) -> Act:
    """Norm over some axes."""
    attr = "" if order in (2, 2.0, None) else f"ord={order}"
    return reduce(b, _act(b, x), _dims(x, dim), "vector_norm", keepdim=keepdim, attr=attr)


@plugin.lowering(
    aten.softmax, aten._softmax, aten.log_softmax, aten._log_softmax, aten._safe_softmax
)
@rows_alike_along(lambda x, dim, *_, **__: dim)
def softmax(b: Builder, x: Value, dim: int, *_: Any, **__: Any) -> Act:
    """Over positions a step of the history; over neurons a statistics node."""
    return along(b, _act(b, x), [dim], _name(b).lstrip("_").removeprefix("safe_"))


@plugin.lowering(aten._weight_norm, aten._weight_norm_interface)
def weight_norm(b: Builder, v: Value, g: Value, dim: int = 0) -> Any:
    """G * v / |v|, the norm over all axes but `dim`."""
    from .pointwise import elementwise

    assert b.node is not None
    factors = _act(b, v)
    dims = [d for d in range(len(v.shape)) if d != dim % len(v.shape)]
    norm = reduce(b, factors, dims, "vector_norm", keepdim=True)
    unit = elementwise(b, "div", (factors, norm), {})
    out = elementwise(b, "mul", (unit, _act(b, g)), {})
    return (out, norm) if b.node.target is aten._weight_norm_interface.default else out


@plugin.lowering(ops.causal_mask)
def causal_mask(b: Builder, scores: Value) -> Act:
    """Masks positions: a step of the history."""
    return b.step(b.as_act(scores), "causal_mask")
