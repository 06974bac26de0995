"""Reductions, and ops that act along an axis: free over positions, a node over neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gmn_fx.lowering.axes import (
    broadcast,
    combine_keys,
    compress,
    cut,
    full,
    rank_first_seen,
    rank_rows,
    varying,
)
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.join import Spec, join, repeats
from gmn_fx.lowering.tags import edge_labels
from gmn_fx.lowering.values import Act, Origin, one_entry


def squeezed(t: Tensor, dims: Sequence[int]) -> Tensor:
    """Index 0 along `dims`, axes removed."""
    for d in sorted(dims, reverse=True):
        t = t.select(d, 0)
    return t


def reduce(
    b: Builder,
    x: Act,
    dims: Sequence[int],
    op: str,
    *,
    keepdim: bool,
    kind: str = "sum",
    attr: str = "",
    ordered: bool = False,
) -> Act:
    """Sum, mean, max, norm ... over `dims`: one node for what is left of each neuron factor.

    ordered: the places along `dims` are not interchangeable; each edge tells its own.
    """
    x = b.canonical(x)
    dims = sorted(d % x.dim for d in dims) if x.dim else []
    hit = [f for f in x.factors if varying(f) & set(dims)]
    along = "" if not hit else f" {op} over other positions"
    left_over = [d for d in dims if not any(d in varying(f) for f in hit)]
    factors = [f for f in x.factors if not any(f is h for h in hit)]
    for f in hit:
        text = (attr + along * bool(left_over)).strip()
        tags = _places(b, x, f, dims) if ordered else b.labels(x, f)
        factors.append(_summed(b, x, f, dims, op, kind, text, tags))
    shape = [1 if d in dims else n for d, n in enumerate(x.shape)]
    laid = [cut(f, set(range(x.dim)) - set(dims)) for f in factors]
    past = cut(x.hist, set(range(x.dim)) - set(dims))
    if hit and len(factors) == len(hit):  # all of the history went onto the edges
        past = full(0, shape)
    out = b.act(shape, laid, pos=cut(x.pos, set(range(x.dim)) - set(dims)))
    out = replace(out, hist=past.expand(shape), data=x.data and not x.factors)
    if repeats(out) or (b.store.silent and not x.factors):
        out = replace(out, origin=Origin(lambda t: cut(t, set(range(t.dim())) - set(dims)), (x,)))
    elif _broadcast_axes(x) - set(dims):
        out = one_entry(out, _broadcast_axes(x))
    if not hit:
        out = b.step(out, f"{op}{_where(dims, x.dim)}{' ' + attr if attr else ''}")
    if keepdim:
        return out
    kept = tuple(n for d, n in enumerate(x.shape) if d not in dims)
    return replace(
        out,
        shape=kept,
        factors=tuple(squeezed(f, dims) for f in out.factors),
        hist=squeezed(out.hist, dims),
        pos=squeezed(out.pos, dims),
        uid=b.fresh_uid(),
        origin=None if out.origin is None else Origin(lambda t: squeezed(t, dims), (out,)),
    )


def _broadcast_axes(x: Act) -> set[int]:
    """Axes along which `x` is one datum repeated: its parent has a single entry there."""
    parents = () if x.origin is None else x.origin.parents
    if len(parents) != 1 or parents[0].dim != x.dim or varying(x.hist):
        return set()
    before = parents[0].shape
    return {a for a, n in enumerate(x.shape) if n > 1 and before[a] == 1}


def _where(dims: Sequence[int], rank: int) -> str:
    return "[" + ",".join(str(d - rank) for d in dims) + "]"


def _places(b: Builder, x: Act, factor: Tensor, dims: Sequence[int]) -> Tensor:
    """Labels that tell the coordinates along `dims`, and what would be told anyway."""
    axes = [d for d in dims if d in varying(factor)]
    code = torch.zeros([1] * x.dim, dtype=torch.int64)
    for d in axes:
        ramp = torch.arange(x.shape[d]).reshape([-1 if a == d else 1 for a in range(x.dim)])
        code = code * x.shape[d] + ramp
    code = code.expand(x.shape)
    known = b.labels(x, factor)
    return code if known is None else code + known * (1 + int(code.max()))


def _summed(
    b: Builder,
    x: Act,
    factor: Tensor,
    dims: Sequence[int],
    op: str,
    kind: str,
    attr: str,
    tags: Tensor | None,
) -> Tensor:
    """One node for each distinct row of neurons along `dims`."""
    mixed = varying(x.hist) & varying(factor)
    axes = sorted(varying(factor) | (varying(x.hist) if mixed else frozenset()))
    small = cut(factor, axes)
    past = cut(x.hist, axes).expand(small.shape)
    left = [a for a in axes if a not in dims]
    inner = [a for a in axes if a in dims]
    shape = [n if a in left else 1 for a, n in enumerate(small.shape)]
    perm = [*left, *inner, *(a for a in range(small.dim()) if a not in axes)]
    count = int(np.prod([small.shape[a] for a in left], dtype=np.int64))
    rows = [t.permute(perm).reshape(count, -1).numpy() for t in (small, past)]
    inverse, first = rank_rows(np.concatenate(rows, axis=1))
    ids = b.nodes(kind, op, (len(first),))
    where = "statistic" if kind == "statistic" else "flow"
    if len(first) == count and tags is None:
        dst = ids.reshape(shape).expand(small.shape)
        b.connect(small, dst, op=op, hist=past, attr=attr, kind=where)
    else:
        node = np.broadcast_to(inverse[:, None], rows[0].shape).reshape(-1)
        label = (
            None if tags is None else cut(tags, axes).expand(small.shape).permute(perm).reshape(-1)
        )
        _summed_rows(b, ids, rows, node, label, op=op, attr=attr, kind=where)
    return broadcast(ids[torch.from_numpy(inverse)].reshape(shape), x.shape)


def _summed_rows(
    b: Builder,
    ids: Tensor,
    rows: list[np.ndarray],
    node: np.ndarray,
    label: Tensor | None,
    **kind: str,
) -> None:
    """Edges of a reduction that reads neurons more than once, each pair of ends once."""
    src, past = rows[0].reshape(-1), rows[1].reshape(-1)
    edge, first = rank_first_seen(combine_keys([src, past, node]))
    found = None if label is None else edge_labels(edge, label.numpy())
    b.connect(
        torch.from_numpy(src[first]),
        ids[torch.from_numpy(node[first])],
        hist=torch.from_numpy(past[first]),
        label=None if found is None else torch.from_numpy(found),
        **kind,  # type: ignore[arg-type]
    )


def along(b: Builder, x: Act, dims: Sequence[int], op: str, attr: str = "") -> Act:
    """Softmax and friends: a function of an element and of a statistic over `dims`.

    Over positions it is one more step of the history; over neurons a statistics node joins them.
    """
    x = b.canonical(x)
    dims = [d % x.dim for d in dims] if x.dim else []
    if not any(varying(f) & set(dims) for f in x.factors):
        return b.step(x, f"{op}{_where(sorted(dims), x.dim)}{' ' + attr if attr else ''}")
    stat = reduce(b, x, dims, op, keepdim=True, kind="statistic", attr=attr)
    return join(b, [x, stat], x.shape, Spec(op, (0, 1), attr=attr))


def positional(
    b: Builder, x: Act, dims: Sequence[int], shape: Sequence[int], op: str
) -> Act | None:
    """An op that mixes elements along `dims` only (pooling, interpolation, FFT, cumulative sums).

    Free where no neurons lie along `dims`; None otherwise (the caller pins: `opaque`). The result
    has `shape`, of the same rank.
    """
    x = b.canonical(x)
    dims = [d % x.dim for d in dims]
    if any(varying(f) & set(dims) for f in x.factors) or len(tuple(shape)) != x.dim:
        return None
    keep = set(range(x.dim)) - set(dims)

    def fit(t: Tensor) -> Tensor:
        return compress(cut(t, keep).expand(tuple(shape)))

    factors = tuple(fit(f) for f in x.factors)
    out = replace(
        x,
        shape=tuple(shape),
        factors=factors,
        hist=fit(x.hist),
        pos=fit(x.pos),
        origin=None,
        root=b.root(),
    )
    out = replace(out, uid=b.act(tuple(shape), []).uid)
    return b.step(out, f"{op}{_where(sorted(dims), x.dim)}")


def mixed(
    b: Builder, x: Act, dims: Sequence[int], shape: Sequence[int], op: str, attr: str = ""
) -> Act | None:
    """`positional` where neurons lie along `dims`: one node reads them all, each at its place.

    The result has one neuron for what is left of each factor, over all places along `dims`.
    """
    shape = tuple(shape)
    free = positional(b, x, dims, shape, f"{op} {attr}".strip())
    if free is not None or len(shape) != x.dim:
        return free
    dims = [d % x.dim for d in dims]
    one = reduce(b, x, dims, op, keepdim=True, kind="neuron", attr=attr, ordered=True)

    def spread(t: Tensor) -> Tensor:
        return t.expand(
            [n if d in dims else m for d, (n, m) in enumerate(zip(shape, t.shape, strict=True))]
        )

    factors = tuple(spread(f) for f in one.factors)
    wide = replace(one, shape=shape, factors=factors, hist=spread(one.hist), pos=spread(one.pos))
    return replace(wide, origin=None, uid=b.fresh_uid(), root=b.root())


def opaque(
    b: Builder, xs: Sequence[Act], shapes: Sequence[Sequence[int]], op: str
) -> tuple[Act, ...]:
    """The conservative lowering of anything: what it reads is pinned and joined to one node."""
    node = b.nodes("opaque", op, ())
    for number, x in enumerate(xs):
        x = b.canonical(x)
        for f in x.factors:
            b.pin(f)
            axes = sorted(varying(f) | varying(x.hist))
            small = cut(f, axes)
            wide = torch.broadcast_shapes(small.shape, cut(x.hist, axes).shape)
            src, past = small.expand(wide).reshape(-1), cut(x.hist, axes).expand(wide).reshape(-1)
            _, first = rank_first_seen(combine_keys([src.numpy(), past.numpy()]))
            pick = torch.from_numpy(first)
            b.connect(
                src[pick],
                node.expand(len(first)),
                op=op,
                kind="opaque",
                hist=past[pick],
                operand=number,
            )
    return tuple(
        replace(b.act(tuple(s), [node.expand(tuple(s))]), root=f"{b.root()}[{i}]")
        for i, s in enumerate(shapes)
    )
