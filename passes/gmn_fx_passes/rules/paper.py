"""The construction of Lim et al.: parameters attach to the neurons that they act on.

No neurons for normalised values, sums and products: a norm hangs its parameters on the neurons that
it reads, queries, keys and values are one set of neurons, and so are the operands of a gate. What
has no such form (shapes that do not fit, values without neurons) is lowered exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gmn_fx.ir import ops
from gmn_fx.lowering import Act, Builder, Par, Value
from gmn_fx.lowering.axes import broadcast, combine_keys, core, cut, rank_first_seen, varying
from gmn_fx.lowering.join import par_key
from gmn_fx.lowering.leaving import leave_out
from gmn_fx.lowering.movement import move
from gmn_fx.lowering.reduce import along

from ..plugin import plugin
from .contraction import matmul
from .normalization import aligned, normalize
from .pointwise import elementwise

RUNNING = "running statistics; the paper's graph has none"


@plugin.lowering(ops.attached_norm)
def attached_norm(
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
    """One gamma and one beta node, with an edge each to the neurons that are normalised."""
    for value in (mean, var):
        if isinstance(value, Par):
            leave_out(b, value, RUNNING)
    act = b.canonical(b.as_act(x))
    kind = _norm_kind(mean is not None, stat_dims, param_dims, act.dim, center=center)
    laid = {
        name: aligned(b, value, act.dim, param_dims)
        for name, value in (("gamma", weight), ("beta", bias))
        if value is not None
    }
    found = _normalised(b, act, {d % act.dim for d in param_dims}) if laid else (act, None)
    if found is None or not all(isinstance(p, Par) and p.distinct for p in laid.values()):
        return normalize(b, x, weight, bias, None, None, stat_dims, param_dims, eps, center)  # type: ignore[no-any-return]
    act, factor = found
    for name, par in laid.items():
        assert isinstance(par, Par)
        assert factor is not None
        _attach(b, act, factor, par, kind, name)
    return act


def _norm_kind(
    running: bool, stat_dims: Sequence[int], param_dims: Sequence[int], rank: int, *, center: bool
) -> str:
    """The name of the layer, as far as what it does tells."""
    over, along_ = ({d % rank for d in dims} for dims in (stat_dims, param_dims))
    if not center:
        return "rms_norm"
    if running or 0 in over:
        return "batch_norm"
    if over == along_:
        return "layer_norm"
    return "group_norm" if over & along_ else "instance_norm"


def _normalised(b: Builder, x: Act, dims: set[int]) -> tuple[Act, Tensor] | None:
    """The one factor along `dims` that parameters there may attach to; data gets pinned neurons."""
    on = [f for f in x.factors if varying(f) & dims]
    if not on and all(x.shape[d] == 1 for d in dims):
        on = list(x.scalars)
    if not on and not x.scalars:
        x = b.with_pinned(x, sorted(dims))
        on = [x.factors[-1]]
    if len(on) != 1:
        return None
    elsewhere = varying(on[0]) - dims
    if elsewhere - varying(x.pos):
        return None
    factor = b.merge_along(on[0], sorted(elsewhere))
    return b.canonical(x), factor


def _attach(b: Builder, x: Act, factor: Tensor, par: Par, kind: str, name: str) -> None:
    """A node for the parameter, an edge for each of its elements."""
    axes = sorted(varying(par.slots) | varying(factor))
    label = b.labels(x, factor)
    ids = cut(factor, axes)
    mark = None if label is None else cut(label, axes).expand(ids.shape)
    node = b.nodes("bias", f"{kind} {name}", ())
    b.shared(("attached", kind, name, par_key(par)), node.reshape([1] * x.dim), ids)
    edge = "gain" if name == "gamma" else "shift"
    b.connect(node, ids, op=kind, kind=edge, par=par, label=mark)


@plugin.lowering(ops.skip)
def skip(b: Builder, a: Value, c: Value) -> Value:
    """Residual edges from the neurons of the first operand to those of the second, which remain."""
    x, y = b.canonical(b.as_act(a)), b.canonical(b.as_act(c))
    ends = _skip_ends(b, x, y) if x.shape == y.shape and not isinstance(a, Par) else None
    if ends is None:
        return elementwise(b, "residual", (a, c), {})
    for src, dst in ends:
        b.connect(src, dst, op="residual", kind="residual")
    return replace(y, root=b.root(), uid=b.fresh_uid())


def _skip_ends(b: Builder, x: Act, y: Act) -> list[tuple[Tensor, Tensor]] | None:
    """Ends of the edges, factor by factor; None where the two do not fit each other."""
    if not y.factors or any(not varying(f) for f in (*x.factors, *y.factors)):
        return None
    left = list(x.factors)
    out = []
    for f in y.factors:
        near = [g for g in left if varying(g) & varying(f)]
        g = near[0] if near else b.pin_axes(x, sorted(varying(f)))
        left = [h for h in left if h is not g]
        if len(near) > 1 or varying(g) - varying(f) - varying(x.pos):
            return None
        pair = _apart(b, g, f)
        if pair is None:
            return None
        out += [pair] if len(pair[0]) else []
    return None if left else out


def _apart(b: Builder, g: Tensor, f: Tensor) -> tuple[Tensor, Tensor] | None:
    """Distinct pairs of neurons; none where both are the same, None where they are in part."""
    axes = sorted(varying(g) | varying(f))
    wide = torch.broadcast_tensors(cut(g, axes), cut(f, axes))
    src, dst = (t.reshape(-1) for t in wide)
    same = b.store.find(src) == b.store.find(dst)
    if bool(same.all()):
        return src[:0], dst[:0]
    groups = [{group.start for group in b.store.groups_of(t.numpy())} for t in (src, dst)]
    if bool(same.any()) or groups[0] & groups[1]:
        return None
    first = torch.from_numpy(rank_first_seen(combine_keys([src.numpy(), dst.numpy()]))[1])
    return src[first], dst[first]


@plugin.lowering(ops.joined_sum)
def joined_sum(b: Builder, x: Value, y: Value) -> Value:
    """One set of neurons for two sums that meet in a sum."""
    return _joined(b, "add", x, y)


@plugin.lowering(ops.joined_product)
def joined_product(b: Builder, x: Value, y: Value) -> Value:
    """One set of neurons for a value and its gate."""
    return _joined(b, "mul", x, y)


def _joined(b: Builder, op: str, x: Value, y: Value) -> Value:
    pair = [v for v in (x, y) if isinstance(v, Act)]
    joined = _one_set(b, pair, b.shape) if len(pair) == 2 else None
    return elementwise(b, op, (x, y), {}) if joined is None else joined


def _one_set(b: Builder, xs: Sequence[Act], shape: tuple[int, ...]) -> Act | None:
    """The operands with equal neurons; None where these do not correspond one to one."""
    wide = [[broadcast(f, shape) for f in b.canonical(x).factors] for x in xs]
    pairs = _partners(*wide)
    if pairs is None:
        return None
    small = [tuple(cut(t, varying(t)) for t in pair) for pair in pairs]
    apart = [p for p in small if not torch.equal(*(b.store.find(t) for t in p))]
    if any(_pinned(b, t) for pair in apart for t in pair):
        return None
    if not all(b.one_to_one(*pair) for pair in apart):
        return None
    for left, right in apart:
        b.store.join(left, right)
    return b.act(shape, wide[0])


def _partners(left: list[Tensor], right: list[Tensor]) -> list[tuple[Tensor, Tensor]] | None:
    """Factors that vary along the same axes; None unless each has its partner."""
    if not left or len(left) != len(right) or any(not varying(f) for f in left):
        return None
    pairs = [(f, g) for f in left for g in right if varying(f) == varying(g)]
    return pairs if len(pairs) == len(left) else None


def _pinned(b: Builder, ids: Tensor) -> bool:
    return any(g.pinned for g in b.store.groups_of(core(ids).reshape(-1).numpy()))


@plugin.lowering(ops.attend)
def attend(b: Builder, q: Value, k: Value, v: Value) -> Value:
    """Query, key and value i are one attention neuron; the attended value is that neuron."""
    out = _attention_neurons(b, q, k, v)
    if out is not None:
        return out
    turned = move(b, lambda t: t.transpose(-1, -2), k)
    scores = b.as_act(matmul(b, q, turned))  # type: ignore[arg-type]
    weights = along(b, scores, [scores.dim - 1], "softmax")
    return matmul(b, weights, v)  # type: ignore[no-any-return]


def _attention_neurons(b: Builder, *operands: Value) -> Act | None:
    """Several key heads for one query head (or the other way round) make all of them one."""
    shape = b.shape
    if any(isinstance(x, Par) or x.shape[-1] != shape[-1] for x in operands):
        return None
    wide = []
    for operand in operands:
        x = b.canonical(b.as_act(operand))
        x = x if x.factors else b.with_pinned(x, [x.dim - 1])
        if len(x.factors) != 1 or x.dim - 2 in varying(x.factors[0]):
            return None
        lead = len(shape) - x.dim
        factor = cut(x.factors[0], set(range(x.dim)) - {x.dim - 2})
        wide.append(factor.reshape((1,) * lead + factor.shape).expand(shape))
    axes = sorted(frozenset[int]().union(*(varying(f) for f in wide)))
    if len(shape) - 1 not in axes and shape[-1] > 1:
        return None
    grid = [n if a in axes else 1 for a, n in enumerate(shape)]
    cores = [cut(f, axes).expand(grid) for f in wide]
    apart = [t for t in cores[1:] if not torch.equal(b.store.find(t), b.store.find(cores[0]))]
    if apart and any(_pinned(b, t) for t in cores):
        return None
    for t in apart:
        b.store.join(cores[0], t)
    return b.act(shape, [broadcast(cores[0], shape)])
