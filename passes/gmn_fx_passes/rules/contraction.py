"""Linear layers, convolutions, matmul, einsum: what contracts an axis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gmn_fx.ir import ops
from gmn_fx.lowering import Act, Builder, Par, Value
from gmn_fx.lowering.axes import cut, varying
from gmn_fx.lowering.choice import members_of, plain
from gmn_fx.lowering.contract import Axes, contract, par_factors
from gmn_fx.lowering.join import Spec, join, par_key
from gmn_fx.lowering.movement import move
from gmn_fx.lowering.reduce import reduce
from gmn_fx.lowering.selected import (
    call,
    each_option,
    reads_selected,
    rows_alike,
    united,
)
from gmn_fx.lowering.values import Selected

from ..plugin import plugin
from .embedding import rows

aten = torch.ops.aten
BATCH = "ABCDEFGHIJKLMN"


def operand(b: Builder, value: Value) -> Act:
    """An activation; a matrix of parameters gets a node a row and a node a column."""
    if isinstance(value, Par) and len(varying(value.slots)) == 2:
        return par_factors(b, value)
    return b.as_act(value)


def weight(b: Builder, value: Value) -> Par | Act:
    """The parameter side of a contraction."""
    return value if isinstance(value, Par) else b.as_act(value)


@plugin.lowering(aten.linear)
@each_option
@rows_alike
def linear(b: Builder, x: Value, w: Value, bias: Value | None = None) -> Value:
    """y[..., o] = sum_i x[..., i] w[o, i] (+ b[o])."""
    batch = BATCH[: len(x.shape) - 1]
    new = "o" if len(w.shape) > 1 else ""
    out_shape = (*x.shape[:-1], *w.shape[:-1])
    out = contract(
        b,
        operand(b, x),
        weight(b, w),
        Axes(batch + "i", new + "i", batch + new),
        out_shape,
        op="linear",
    )
    return out if bias is None else add_bias(b, out, bias, -1)


@plugin.lowering(aten.matmul, aten.bmm, aten.mm, aten.mv, aten.dot, aten.vdot)
@each_option
@rows_alike
def matmul(b: Builder, x: Value, y: Value) -> Value:
    """Batched matrix product of any ranks."""
    left, right = (
        ("k",) if len(x.shape) == 1 else ("m", "k"),
        ("k",) if len(y.shape) == 1 else ("k", "n"),
    )
    rank = max(len(x.shape) - len(left), len(y.shape) - len(right))
    batch = BATCH[:rank]
    x_names = batch[rank - (len(x.shape) - len(left)) :] + "".join(left)
    y_names = batch[rank - (len(y.shape) - len(right)) :] + "".join(right)
    out = batch + "".join(c for c in "mn" if c in left + right)
    return _two(b, x, y, x_names, y_names, out, "matmul")


@plugin.lowering(aten.einsum)
@each_option
def einsum(b: Builder, equation: str, operands: Any, **_: Any) -> Value:
    """Any einsum, two operands at a time."""
    names, out = _parsed(equation, [len(o.shape) for o in operands])
    operands, names = _on_diagonals(b, operands, names)
    value, mine = operands[0], names[0]
    value, mine = _sum_alone(b, value, mine, set("".join(names[1:])) | set(out))
    for i in range(1, len(operands)):
        later = set("".join(names[i + 1 :])) | set(out)
        other, theirs = _sum_alone(b, operands[i], names[i], set(mine) | later)
        value, mine = _sum_alone(b, value, mine, set(theirs) | later)
        kept = "".join(dict.fromkeys(c for c in mine + theirs if c in later))
        value = _two(b, value, other, mine, theirs, kept, "einsum")
        mine = kept
    perm = [mine.index(c) for c in out]
    return move(b, lambda t: t.permute(perm), value)  # type: ignore[return-value]


def _on_diagonals(b: Builder, operands: Any, names: list[str]) -> tuple[list[Value], list[str]]:
    """A letter that stands twice in one operand means its diagonal."""
    found = []
    for value, letters in zip(operands, names, strict=True):
        for c in dict.fromkeys(letters):
            while letters.count(c) > 1:
                i, j = letters.index(c), letters.rindex(c)
                value = move(b, lambda t, i=i, j=j: t.diagonal(0, i, j), value)
                letters = letters[:i] + letters[i + 1 : j] + letters[j + 1 :] + c
        found.append((value, letters))
    return [v for v, _ in found], [n for _, n in found]


def _parsed(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    left, arrow, right = equation.replace(" ", "").partition("->")
    names = left.split(",")
    wide = max(
        (r - len(n.replace("...", "")) for r, n in zip(ranks, names, strict=True) if "..." in n),
        default=0,
    )
    dots = "0123456789"[:wide]
    full = [
        n.replace("...", dots[wide - (r - len(n.replace("...", ""))) :])
        for r, n in zip(ranks, names, strict=True)
    ]
    if not arrow:
        letters = "".join(full)
        right = "..." * bool(wide) + "".join(
            sorted(c for c in set(letters) if letters.count(c) == 1 and c not in dots)
        )
    return full, right.replace("...", dots)


def _sum_alone(b: Builder, value: Value, names: str, wanted: set[str]) -> tuple[Value, str]:
    dims = [i for i, c in enumerate(names) if c not in wanted]
    if not dims:
        return value, names
    return reduce(b, operand(b, value), dims, "sum", keepdim=False), "".join(
        c for c in names if c in wanted
    )


def _two(b: Builder, x: Value, y: Value, x_names: str, y_names: str, out: str, op: str) -> Value:
    size = {c: n for c, n in zip(x_names, x.shape, strict=True)}
    size.update({c: n for c, n in zip(y_names, y.shape, strict=True) if n != 1 or c not in size})
    shape = tuple(size[c] for c in out)
    if isinstance(y, Par) and not isinstance(x, Par):
        return contract(b, b.as_act(x), y, Axes(x_names, y_names, out), shape, op=op)
    if isinstance(x, Par) and not isinstance(y, Par):
        return contract(b, b.as_act(y), x, Axes(y_names, x_names, out), shape, op=op + " left")
    return contract(b, operand(b, x), operand(b, y), Axes(x_names, y_names, out), shape, op=op)


@plugin.lowering(ops.grouped_mm)
@reads_selected
def grouped_mm(b: Builder, x: Any, w: Value, ends: Act) -> Any:
    """Rows that lie in groups, each group through a matrix of its own: experts.

    The groups are those that a sorted index of experts makes; any other are data, and then which
    matrix a row meets is data as well.
    """
    order = ends.order if isinstance(ends, Act) else None
    if order is None or order.role != "ends" or len(members_of(b, order.choice)) != w.shape[0]:
        x, ends = plain(b, united(b, x)), plain(b, ends)
        chosen = rows(b, w, None, (x.shape[0], *w.shape[1:]))
        left = move(b, lambda t: t.unsqueeze(1), x)
        out = matmul(b, left, chosen)  # type: ignore[arg-type]
        return move(b, lambda t: t.squeeze(1), b.as_act(out))
    experts = [move(b, lambda t, i=i: t.select(0, i), w) for i in range(w.shape[0])]
    if isinstance(x, Selected):
        x = x if x.choice is order.choice else united(b, x)
    inner = x.options if isinstance(x, Selected) else [x] * len(experts)
    made = [call(b, matmul, (value, expert), {})
            for value, expert in zip(inner, experts, strict=True)]  # fmt: skip
    return Selected(b.shape, tuple(made), order.choice)


@plugin.lowering(aten.bilinear, aten._trilinear)
def bilinear(b: Builder, x: Value, y: Value, w: Value, bias: Value | None = None, *_: Any) -> Value:
    """y[o] = sum_ij x[i] w[o,i,j] y[j] (+ b): nodes (o, j) from x, then a product with y."""
    batch = BATCH[: len(x.shape) - 1]
    size = (*x.shape[:-1], w.shape[0], w.shape[2])
    inner = contract(
        b, operand(b, x), weight(b, w), Axes(batch + "i", "oij", batch + "oj"), size, op="bilinear"
    )
    out = contract(
        b,
        inner,
        operand(b, y),
        Axes(batch + "oj", batch + "j", batch + "o"),
        size[:-1],
        op="bilinear",
    )
    return out if bias is None else add_bias(b, out, bias, -1)


@plugin.lowering(aten.convolution, aten._convolution)
def convolution(
    b: Builder,
    x: Value,
    w: Value,
    bias: Value | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    *_: Any,
) -> Value:
    """Any convolution: channels are the nodes, kernel offsets the labels of parallel edges."""
    n = len(w.shape) - 2
    x = b.as_act(x)
    shape, spatial = b.shape, x.shape[2:]
    o = shape[1] // groups
    i = x.shape[1] // groups
    x = move(b, lambda t: t.reshape(t.shape[0], groups, i, *spatial), x)  # type: ignore[assignment]
    first, second = (i, o) if transposed else (o, i)
    kernel = tuple(w.shape[2:])
    w = move(b, lambda t: t.reshape(groups, first, second, *kernel), w)  # type: ignore[assignment]
    k = "xyz"[:n]
    # a kernel of size 1 stays where it is: neurons along that axis are not touched
    moves = [
        kernel[d] > 1 or _at(stride, d) != 1 or _at(padding, d) != 0 or _at(output_padding, d) != 0
        for d in range(n)
    ]
    after = "".join("PQR"[d] if moves[d] else "pqr"[d] for d in range(n))
    axes = Axes("Bgi" + "pqr"[:n], ("gio" if transposed else "goi") + k, "Bgo" + after, k)
    attr = _attributes(n, stride, padding, dilation, transposed, output_padding)
    full = (shape[0], groups, o, *shape[2:])
    out = contract(
        b, x, weight(b, w), axes, full, op=f"conv{n}d", kind="channel", attr=attr, slides=True
    )  # type: ignore[arg-type]
    flat = move(b, lambda t: t.reshape(t.shape[0], groups * o, *t.shape[3:]), out)
    flat = replace(flat, origin=None) if groups == 1 else flat  # type: ignore[arg-type,type-var]
    return flat if bias is None else add_bias(b, flat, bias, 1)  # type: ignore[arg-type,return-value]


def _at(values: list[int], d: int) -> int:
    return values[d] if len(values) > 1 else values[0]


def _attributes(
    n: int, stride: Any, padding: Any, dilation: Any, transposed: bool, output_padding: Any
) -> str:
    parts = []
    for name, value, default in (
        ("stride", stride, 1),
        ("padding", padding, 0),
        ("dilation", dilation, 1),
        ("output_padding", output_padding, 0),
    ):
        values = list(value) * (n if len(value) == 1 else 1)
        if any(v != default for v in values):
            parts.append(f"{name}={','.join(str(v) for v in values)}")
    return f"conv{n}d{'_transposed' * transposed}({' '.join(parts)})" if parts or transposed else ""


@plugin.lowering(ops.bias)
@each_option
@rows_alike
def add_bias(b: Builder, x: Value, bias: Value, dim: int) -> Act:
    """A bias: edges from one bias node into the neurons that the layer has just made."""
    x = b.canonical(b.as_act(x))
    if 0 in bias.shape or 0 in x.shape:  # nothing there: an expert without tokens
        return x
    dim %= x.dim
    shape = [n if d == dim else 1 for d, n in enumerate(x.shape)]
    laid = move(b, lambda t: t.reshape([-1 if d == dim else 1 for d in range(x.dim)]), bias)
    factor = _fresh_along(x, dim)
    if (
        factor is None
        or not isinstance(laid, Par)
        or not laid.affine
        or shape[dim] != bias.shape[0]
    ):
        spec = Spec("add", (-1, -1), par_kind="bias")
        if isinstance(laid, Par):
            return join(b, [x], x.shape, spec, laid)
        return join(b, [x, b.as_act(laid)], x.shape, spec)  # type: ignore[arg-type]
    ids = cut(factor, [dim]).expand(shape)
    attach(b, ids, laid, op="bias", kind="bias")
    return x


def attach(
    b: Builder, ids: Tensor, par: Par, *, op: str, kind: str, operand: int = -1, attr: str = ""
) -> None:
    """Edges with `par` from a new bias node into nodes that exist (same shape)."""
    one = b.constant_one(op)
    b.shared(("attach", op, kind, operand, par_key(par)), one.reshape([1] * ids.dim()), ids)
    b.connect(one, ids, op=op, kind=kind, par=par, operand=operand, attr=attr)


def _fresh_along(x: Act, dim: int) -> Tensor | None:
    """The factor along `dim` if its neurons are distinct and nothing happened to them since."""
    if varying(x.hist) or _worked(x):
        return None
    on = [f for f in x.factors if dim in varying(f)] or (
        list(x.scalars) if x.shape[dim] == 1 else []
    )
    if len(on) != 1 or len(varying(on[0])) > 1:
        return None
    ids = cut(on[0], [dim]).reshape(-1)
    return on[0] if len(torch.unique(ids)) == len(ids) else None


def _worked(x: Act) -> bool:
    return x.hist.numel() > 0 and int(x.hist.reshape(-1)[0]) != 0
