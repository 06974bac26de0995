"""Elementwise ops: no node for one operand, a node for each distinct combination of several.

What PyTorch tags as pointwise is pointwise; nothing else is assumed to be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from gmn_fx.ir import ops
from gmn_fx.lowering import Act, Builder, Const, Par, Value
from gmn_fx.lowering.axes import broadcast, compress, core, varying
from gmn_fx.lowering.choice import members, plain, reads_choices
from gmn_fx.lowering.contract import par_factors
from gmn_fx.lowering.join import Spec, join
from gmn_fx.lowering.leaving import is_buffer, leave_out
from gmn_fx.lowering.noise import met
from gmn_fx.lowering.reduce import opaque
from gmn_fx.lowering.selected import each_option, rows_alike

from ..plugin import plugin
from .constants import COMMUTATIVE, NEUTRAL, widened, with_const

aten = torch.ops.aten


@plugin.lowering(
    torch.Tag.pointwise,
    aten.where,
    aten.floor_divide,
    aten.isin,
    aten.hardtanh,
    aten.celu,
    aten.selu,
    aten.relu6,
    aten.log_sigmoid,
    aten.softshrink,
    aten.hardshrink,
    aten.logit,
    aten.threshold,
    aten.hardswish,
    aten.__and__,
    aten.__or__,
    aten.__xor__,
    aten.special_expit,
    aten.multiply,
    aten.divide,
    aten.subtract,
    aten.negative,
    aten.absolute,
    aten.real,
    aten.imag,
    aten.conj,
    aten.fill,
    aten.arctan2,
    aten.isclose,
    aten.greater,
    aten.less_equal,
    aten._conj,
    aten.resolve_conj,
    aten.type_as,
    aten.masked_fill,
    aten.complex,
    aten.polar,
    aten.embedding_renorm,
    aten.fake_quantize_per_tensor_affine,
    aten.special_ndtr,
)
@reads_choices
@each_option
@rows_alike
def pointwise(b: Builder, *args: Any, **kwargs: Any) -> Value:
    """Any op that PyTorch tags as pointwise, and those that it forgot."""
    assert b.node is not None
    name = b.node.target.overloadpacket.__name__  # type: ignore[union-attr]
    if name in ("eq", "ne"):
        same = _is_chosen(b, name, *args)
        if same is not None:
            return same
    return elementwise(b, name, plain(b, args), plain(b, kwargs))


def _is_chosen(b: Builder, name: str, left: Any, right: Any) -> Act | None:
    """`index == 2` where the index names neurons: the node "is it chosen?" of the third."""
    index, number = (left, right) if isinstance(left, Act) else (right, left)
    if not isinstance(index, Act) or index.choice is None or isinstance(number, Act):
        return None
    value = number.value if isinstance(number, Const) else torch.tensor(number)
    ids = members(b, index)
    if value is None or ids is None or not bool(((value >= 0) & (value < len(ids))).all()):
        return None
    wide = widened(
        replace(index, choice=None), tuple(torch.broadcast_shapes(index.shape, value.shape))
    )
    factor = broadcast(ids[compress(value).long()], wide.shape)
    return b.step(replace(wide, factors=(compress(factor),), origin=None), name)


@plugin.lowering(
    aten._to_copy,
    aten.clone,
    aten.alias,
    aten.detach,
    aten.contiguous,
    aten.lift_fresh_copy,
    aten.native_dropout,
    aten.dropout,
    aten.feature_dropout,
    aten.alpha_dropout,
    aten.feature_alpha_dropout,
    aten.rrelu_with_noise_functional,
    aten.prelu,
    aten._prelu_kernel,
)
@reads_choices
@each_option
@rows_alike
def nearly_pointwise(b: Builder, *args: Any, **kwargs: Any) -> Any:
    """Elementwise ops that carry no tag. Dropout in training keeps its rate in the history."""
    assert b.node is not None
    name = b.node.target.overloadpacket.__name__  # type: ignore[union-attr]
    if name in ("_to_copy", "clone", "alias", "detach", "contiguous", "lift_fresh_copy"):
        return args[0]
    args = plain(b, args)
    if "prelu" in name:
        return prelu(b, args[0], args[1])
    text = f"{name.removeprefix('native_')}({args[1]})" if "dropout" in name else name
    out = step(b, args[0], text)
    return (out, out) if "native" in name else out


@plugin.lowering(ops.residual)
@each_option
@rows_alike
def residual(b: Builder, a: Value, c: Value) -> Value:
    """A skip connection: a sum whose first operand is the stream."""
    return elementwise(b, "residual", (a, c), {})


def prelu(b: Builder, x: Value, w: Value) -> Value:
    """A learned slope a channel (axis 1)."""
    x = b.as_act(x)
    if isinstance(w, Par) and w.shape and x.dim > 1:
        n = w.shape[0]
        shape = [n if d == 1 else 1 for d in range(x.dim)]
        w = Par(tuple(shape), w.slots.reshape(shape), w.base, w.hist.reshape(shape))
    return elementwise(b, "prelu", (x, w), {})


@plugin.lowering(aten.bucketize)
def bucketize(b: Builder, x: Value, boundaries: Value, **static: Any) -> Value:
    """Between which boundaries each element lies."""
    options = ",".join(f"{k}={v}" for k, v in sorted(static.items()))
    if isinstance(boundaries, Const):
        return step(b, x, f"bucketize({','.join(filter(None, (boundaries.key, options)))})")
    return opaque(b, [b.as_act(x), b.as_act(boundaries)], b.shapes, f"bucketize({options})")[0]


def step(b: Builder, value: Value, text: str) -> Value:
    """One elementwise function of one operand."""
    match value:
        case Act():
            return b.step(value, text)
        case Par():
            hist = b.store.extend_history(value.hist, text)
            return replace(value, hist=hist, zero=value.zero if text == "neg" else None)
        case Const():
            return Const(value.shape, None, f"{text}({value.key})", value.dtype)
    raise TypeError(value)


def elementwise(b: Builder, name: str, args: Any, kwargs: Any) -> Value:
    """A pointwise op `name` of tensors and static arguments."""
    args = tuple(_scalar(a) for a in (_without_buffers(b, args) if b.store.silent else args))
    tensors = [a for a in args if isinstance(a, (Act, Par, Const))]
    static = {k: v for k, v in kwargs.items() if v is not None and k not in ("dtype", "device")}
    text = _spell(name, args, static)
    moving = [t for t in tensors if not isinstance(t, Const)]
    shape = tuple(torch.broadcast_shapes(*(t.shape for t in tensors)))
    for position, c in enumerate(tensors):
        if isinstance(c, Const) and len(moving) == 1:
            return with_const(b, moving[0], c, shape, name, position, text)
    if len(tensors) == 1:
        return tensors[0] if _changes_nothing(name, args) else step(b, tensors[0], text)
    return _several(b, name, tensors, shape, text)


def _without_buffers(b: Builder, args: Any) -> tuple[Any, ...]:
    """Operands without the buffers beside them: codes of positions, masks, scales."""
    buffers = [a for a in args if isinstance(a, Par) and is_buffer(b, a)]
    others = [a for a in args if isinstance(a, (Act, Par)) and not any(a is x for x in buffers)]
    for par in buffers if others else ():
        leave_out(b, par, "a buffer in an elementwise function; the paper's graph has none")
    if not (buffers and others):
        return tuple(args)
    shape = tuple(torch.broadcast_shapes(*(a.shape for a in (*buffers, *others))))
    kept = tuple(a for a in args if not any(a is x for x in buffers))
    return tuple(widened(a, shape) if isinstance(a, (Act, Par)) else a for a in kept)


def _changes_nothing(name: str, args: Any) -> bool:
    numbers = [a for a in args if isinstance(a, (int, float))]
    if len(args) != 2 or len(numbers) != 1 or (name, numbers[0]) not in NEUTRAL:
        return False
    return name in COMMUTATIVE or numbers[0] is args[1]


def _scalar(a: Any) -> Any:
    """A constant that is the same everywhere is a number."""
    if isinstance(a, Const) and a.value is not None and len(a.shape) == 0:
        return a.value.item()
    return a


def _spell(name: str, args: Any, static: dict[str, Any]) -> str:
    spelled = ["·" if isinstance(a, (Act, Par, Const)) else repr(a) for a in args]
    while len(spelled) > 1 and spelled[-1] in ("None", "·"):
        spelled.pop()
    spelled += [f"{k}={v!r}" for k, v in sorted(static.items())]
    return name if spelled in (["·"], []) else f"{name}({','.join(spelled)})"


def _several(
    b: Builder, name: str, tensors: list[Value], shape: tuple[int, ...], text: str
) -> Value:
    """Two or more operands that are not constants."""
    moving = [widened(t, shape) for t in tensors if not isinstance(t, Const)]
    tensors = [_met_by_all(t, moving) for t in tensors]
    patched = _patched(b, name, tensors, shape)
    if patched is not None:
        return patched
    acts: list[Act] = []
    par: Par | None = None
    where: list[int] = []
    par_at = -1
    lone = _direct_par(tensors)
    for position, t in enumerate(tensors):
        if t is lone:
            par, par_at = lone, position
            continue
        acts.append(_weight(b, t, name) if isinstance(t, Par) else b.as_act(t))
        where.append(position)
    plain = (name in COMMUTATIVE and text == name) or name == "residual"
    attr = "" if text in (name, f"{name}(·)") else text
    gain = name in ("mul", "div", "prelu")
    spec = Spec(
        name,
        tuple(-1 if plain else p for p in where),
        attr=attr,
        par_kind="gain" if gain else "shift",
        par_operand=-1 if plain else par_at,
        par_owner=0 if gain and len(acts) == 1 else -1,
    )
    return join(b, acts, shape, spec, par)


def _met_by_all(t: Value, moving: list[Any]) -> Value:
    """Draws that each of the values may meet without a difference between its units."""
    for x in moving if isinstance(t, Const) else ():
        t = met(t, x)  # type: ignore[arg-type]
    return t


def _patched(b: Builder, name: str, tensors: list[Value], shape: tuple[int, ...]) -> Par | None:
    """A sum of two weights of which one is 0 wherever the other is not, as one weight."""
    left, right = tensors if len(tensors) == 2 else (None, None)
    if name not in ("add", "sub") or not isinstance(left, Par) or not isinstance(right, Par):
        return None
    nowhere = torch.zeros((), dtype=torch.bool)
    masks = [broadcast(nowhere if p.zero is None else p.zero, shape) for p in (left, right)]
    if not bool((core(masks[0]) | core(masks[1])).all()):
        return None
    sign = "neg" if name == "sub" else ""
    second = broadcast(b.store.extend_history(right.hist, sign), shape)
    slots = torch.where(
        masks[0], broadcast(right.explicit(), shape), broadcast(left.explicit(), shape)
    )
    hist = torch.where(masks[0], second, broadcast(left.hist, shape))
    return Par(shape, compress(slots), 0, compress(hist), masks[0] & masks[1])


def _direct_par(tensors: list[Value]) -> Par | None:
    """The parameter that goes onto edges as it is: alone, beside an activation with neurons."""
    pars = [t for t in tensors if isinstance(t, Par)]
    acts = [t for t in tensors if isinstance(t, Act)]
    if len(pars) != 1 or not acts:
        return None
    wide = len(varying(pars[0].slots)) >= 2
    computed = any(
        a.factors and (len(a.factors) > 1 or len(a.scalars) == len(a.factors)) for a in acts
    )
    if wide and computed and not any(_own_neurons(a, pars[0]) for a in acts):
        return None
    return pars[0]


def _own_neurons(x: Act, par: Par) -> bool:
    """Whether each element of the parameter meets a neuron of one factor of `x`."""
    axes = {a - len(par.shape) + x.dim for a in varying(par.slots)}
    return any(axes <= varying(f) for f in x.factors)


def _weight(b: Builder, par: Par, name: str) -> Act:
    if name == "complex" and len(varying(par.slots)) > 2:  # any of its axes may meet neurons
        return b.as_act(par)
    return par_factors(b, par) if len(varying(par.slots)) >= 2 else b.as_act(par)
