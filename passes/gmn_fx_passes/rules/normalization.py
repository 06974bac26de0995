"""Normalisation layers: an affine edge a channel; one statistics node where channels share them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gmn_fx.ir import ops
from gmn_fx.lowering import Act, Builder, Par, Value
from gmn_fx.lowering.axes import cut, varying
from gmn_fx.lowering.join import Spec, join
from gmn_fx.lowering.movement import move
from gmn_fx.lowering.reduce import reduce
from gmn_fx.lowering.selected import rows_alike_along

from ..plugin import plugin
from .contraction import attach, operand


@plugin.lowering(ops.normalize)
@rows_alike_along(lambda x, w, b, mean, var, stat_dims, *_, **__: stat_dims)
def normalize(
    b: Builder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value | None,
    var: Value | None,
    stat_dims: Sequence[int],
    param_dims: Sequence[int],
    eps: float,
    center: bool,
) -> Act:
    """One node a channel: gain on the edge from the channel, shift and running statistics from a
    bias node, and the statistics node where the channels of a group share one.
    """
    x = b.canonical(operand(b, x))
    dims = [] if mean is not None else [d % x.dim for d in stat_dims]
    attr = _attribute(x, dims, eps, center)
    acts, operands = [x], [-1]
    if any(varying(f) & set(dims) for f in x.factors):
        acts.append(reduce(b, x, dims, "norm", keepdim=True, kind="statistic", attr=attr))
        operands.append(1)
    params = [
        (value, kind, place)
        for value, kind, place in (
            (weight, "gain", -1),
            (bias, "shift", -1),
            (mean, "running", 0),
            (var, "running", 1),
        )
        if value is not None
    ]
    if not params and len(acts) == 1:
        return b.step(x, attr)
    out, rest = _first(b, acts, operands, params, param_dims, attr)
    for value, kind, place in rest:
        out = _add(b, out, aligned(b, value, x.dim, param_dims), kind, place)
    return out


def _first(b, acts, operands, params, param_dims, attr):  # type: ignore[no-untyped-def]
    """The node of each channel, made with the first parameter there is."""
    x = acts[0]
    if not params:
        return join(b, acts, x.shape, Spec("norm", tuple(operands), attr=attr)), []
    value, kind, place = params[0]
    par = aligned(b, value, x.dim, param_dims)
    spec = Spec(
        "norm",
        tuple(operands),
        attr=attr,
        par_kind=kind,
        par_operand=place,
        par_owner=0 if kind == "gain" else -1,
    )
    if isinstance(par, Par):
        return join(b, acts, x.shape, spec, par), params[1:]
    wide = Spec("norm", (*operands, 2), attr=attr)
    return join(b, [*acts, b.as_act(par)], x.shape, wide), params[1:]


def _add(b: Builder, out: Act, par: Value, kind: str, operand: int) -> Act:
    """One more parameter of the same nodes."""
    if isinstance(par, Par):
        axes = varying(par.slots)
        for f in out.factors:
            if varying(f) == axes and par.affine:
                ids: Tensor = cut(f, axes)
                attach(b, ids, par, op="norm", kind=kind, operand=operand)
                return out
        spec = Spec(
            f"norm {kind}", (-1,), par_kind=kind, par_operand=operand if operand >= 0 else 1
        )
        return join(b, [out], out.shape, spec, par)
    return join(b, [out, b.as_act(par)], out.shape, Spec(f"norm {kind}", (0, 1)))


def aligned(b: Builder, value: Value, rank: int, param_dims: Sequence[int]) -> Value:
    """The parameter with its axes where they belong among `rank` axes."""
    dims = [d % rank for d in param_dims]
    order = sorted(range(len(dims)), key=dims.__getitem__)
    shape = [1] * rank
    for axis in order:
        shape[dims[axis]] = value.shape[axis]
    return move(b, lambda t: t.permute(order).reshape(shape), value)  # type: ignore[return-value]


def _attribute(x: Act, dims: Sequence[int], eps: float, center: bool) -> str:
    over = ",".join(str(d - x.dim) for d in sorted(dims)) or "running"
    root = "" if center else " rms"
    small = "" if eps in (1e-5, None) else f" eps={eps}"
    return f"norm({over}{root}{small})"
