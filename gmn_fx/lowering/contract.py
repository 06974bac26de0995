"""Contractions with a parameter: linear layers, convolutions, matmul and einsum with weights.

Axes have one-letter names, as in einsum. With x the activation, w the parameter:
contracted (in both, not in the result), shared (in both and in the result: groups, experts),
new (only in w and the result: output neurons), kernel (only in w: several edges for one pair),
free (only in x: positions, or neurons that the layer does not touch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gmn_fx.lowering.axes import (
    broadcast,
    combine_keys,
    cut,
    full,
    rank_first_seen,
    rank_rows,
    varying,
)
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.join import Spec, join, par_key
from gmn_fx.lowering.movement import product
from gmn_fx.lowering.reduce import mixed, reduce
from gmn_fx.lowering.values import Act, Origin, Par, blank


@dataclass(frozen=True)
class Axes:
    """Names of the axes of activation, weight and result, one letter each."""

    x: str
    w: str
    out: str
    kernel: str = ""

    @property
    def contracted(self) -> str:
        """Names of the axes that are summed over."""
        return "".join(c for c in self.x if c in self.w and c not in self.out)

    @property
    def shared(self) -> str:
        """Names of the axes that activation, weight and result have in common."""
        return "".join(c for c in self.x if c in self.w and c in self.out)

    @property
    def new(self) -> str:
        """Names of the axes of output neurons."""
        return "".join(c for c in self.w if c in self.out and c not in self.x)


def contract(
    b: Builder,
    x: Act,
    w: Par | Act,
    axes: Axes,
    shape: Sequence[int],
    *,
    op: str,
    kind: str = "neuron",
    attr: str = "",
    slides: bool = False,
) -> Act:
    """Sum over the contracted axes of x * w. `slides`: the weight moves over the free axes."""
    shape = tuple(shape)
    if 0 in x.shape or 0 in w.shape:  # an empty sum: zeros
        return blank(shape, f"constant {b.root()}")
    if isinstance(w, Par) and not _plain(w, axes):
        w = par_factors(b, w)
    if isinstance(w, Act):
        x = _under_window(b, b.canonical(x), axes, op, attr) if slides else x
        return _contract_acts(b, x, w, axes, shape, attr or op)
    x = b.canonical(x)
    wide = _weight_axes(w, axes)
    x, read = _reading_factor(b, x, wide, axes)
    x, factor, others = _only(b, x, read, wide, axes, slides)
    return _emit(b, x, factor, others, w, wide, axes, shape, op, kind, attr)


def _under_window(b: Builder, x: Act, axes: Axes, op: str, attr: str) -> Act:
    """`x` where a window slides over neurons: it reads all of them, each at its place."""
    over = [i for i, c in enumerate(axes.x) if c not in axes.w and c not in axes.out and x.on(i)]
    return mixed(b, x, over, x.shape, op, attr) if over else x  # type: ignore[return-value]


def _plain(w: Par, axes: Axes) -> bool:
    """Whether each element of `w` is a slot of its own along the contracted axes."""
    vary = varying(w.slots)
    for i, name in enumerate(axes.w):
        if w.shape[i] > 1 and i not in vary and name in axes.contracted + axes.kernel:
            return False
    return w.distinct


def _weight_axes(w: Par, axes: Axes) -> frozenset[str]:
    """Names of the axes along which the weight really varies."""
    vary = varying(w.slots)
    return frozenset(c for i, c in enumerate(axes.w) if i in vary)


def _reading_factor(
    b: Builder, x: Act, wide: frozenset[str], axes: Axes
) -> tuple[Act, list[Tensor]]:
    """The factors that the weight reads; pinned positions where there are no neurons."""
    touched = [
        i for i, c in enumerate(axes.x) if c in axes.contracted or (c in axes.shared and c in wide)
    ]
    read = [f for f in x.factors if varying(f) & set(touched)]
    needed = [i for i in touched if x.shape[i] > 1]
    if not read:
        read = list(x.scalars)
    covered = frozenset[int]().union(*(varying(f) for f in read))
    summed = [i for i in needed if axes.x[i] in axes.contracted]
    if not read or (summed and not covered & set(summed) and not x.scalars):
        every = needed if x.uniform else summed  # one number everywhere: a state that is all zeros
        x = b.with_pinned(x, every or [i for i, c in enumerate(axes.x) if c in axes.contracted])
        read.append(x.factors[-1])
    return x, read


def _only(
    b: Builder, x: Act, read: list[Tensor], wide: frozenset[str], axes: Axes, slides: bool
) -> tuple[Act, Tensor, list[Tensor]]:
    """One factor that varies along the read axes only, and the factors left alone."""
    others = [f for f in x.factors if not any(f is r for r in read)]
    if len(read) > 1:
        merged = product(b, x, read)
        factor = merged.factors[-1]
        x = merged
    else:
        factor = read[0]
    inside = {
        i for i, c in enumerate(axes.x) if c in axes.contracted or (c in axes.shared and c in wide)
    }
    spread = [a for a in varying(factor) if a not in inside]
    if spread:
        where = varying(x.pos)
        free = [a for a in spread if a not in where]
        factor = b.merge_along(factor, [a for a in spread if a in where])
        if free:
            factor, rest = split(b, x, factor, free)
            others.append(rest)
        x = b.canonical(x)
    if slides:  # a window that slides over neurons: they cannot be exchanged any more
        for f in others:
            if any(axes.x[a] not in axes.out for a in varying(f)):
                b.pin(f)
        others = [f for f in others if all(axes.x[a] in axes.out for a in varying(f))]
    return x, b.canon(factor), others


def split(b: Builder, x: Act, factor: Tensor, axes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Neurons (h, j) of which a layer reads j for every h: nodes for h and for j of their own."""
    inner = [a for a in varying(factor) if a not in axes]
    small = cut(factor, sorted({*inner, *axes}))
    return _sides(b, x, small, inner, 0), _sides(b, x, small, list(axes), 1)


def _sides(b: Builder, x: Act, small: Tensor, mine: list[int], operand: int) -> Tensor:
    """A node for each distinct slice of `small` at a coordinate along `mine`."""
    mine = sorted(mine)
    shape = [n if a in mine else 1 for a, n in enumerate(small.shape)]
    perm = [*mine, *(a for a in range(small.dim()) if a not in mine)]
    count = int(np.prod(shape, dtype=np.int64))
    rows = small.permute(perm).reshape(count, -1).numpy()
    inverse, first = rank_rows(rows)
    ids = b.nodes("product", "split", (len(first),))
    src, node = rows[first].reshape(-1), np.repeat(np.arange(len(first)), rows.shape[1])
    _, once = rank_first_seen(combine_keys([src, node]))
    b.connect(
        torch.from_numpy(src[once]),
        ids[torch.from_numpy(node[once])],
        op="split",
        operand=operand,
        kind="operand",
    )
    return ids[torch.from_numpy(inverse)].reshape(shape).expand(x.shape)


def _emit(
    b: Builder,
    x: Act,
    factor: Tensor,
    others: list[Tensor],
    w: Par,
    wide: frozenset[str],
    axes: Axes,
    shape: tuple[int, ...],
    op: str,
    kind: str,
    attr: str,
) -> Act:
    """Nodes for the outputs, edges for the weights."""
    shared = [c for c in axes.shared if c in wide]
    outer = shared + [c for c in axes.new if c in wide]
    order = outer + list(axes.contracted) + list(axes.kernel)
    size = {c: n for c, n in zip(axes.w, w.shape, strict=True)}
    view = _permuted(w, axes.w, order)
    inside = [i for i, c in enumerate(axes.x) if c in shared or c in axes.contracted]

    def lay(t: Tensor) -> Tensor:
        """A tensor over x's axes, laid out over `order`."""
        return _named(cut(t, inside), axes.x, order)

    dst = b.nodes(kind, op, [size[c] for c in outer])
    ends = dst.reshape([size[c] if c in outer else 1 for c in order])
    label = b.labels(x, factor, inside)
    mark = None if label is None else lay(label)
    src = lay(factor)
    past = lay(x.hist)
    role = ("contract", op, par_key(view), len(outer))
    if b.reads_other_neurons(role, _core(src)):  # two halves of one layer through one weight
        src, past = _copied(b, src, past, mark)
        mark = None
    b.shared(role, _core(src), _core(ends))
    b.connect(
        src,
        ends,
        op=op,
        kind="weight",
        par=view,
        label=mark,
        hist=past,
        attr=attr,
    )
    out = _named(dst, "".join(outer), list(axes.out)).expand(shape)
    kept = [_named(cut(f, varying(f)), axes.x, list(axes.out)).expand(shape) for f in others]
    return b.act(shape, [out, *kept])


def _copied(b: Builder, src: Tensor, past: Tensor, mark: Tensor | None) -> tuple[Tensor, Tensor]:
    """A node of its own for each element that is read, so that the read ones stay apart."""
    axes = varying(src)
    small = cut(src, axes)
    ids = b.nodes("neuron", "read", small.shape)
    hist = cut(past, axes).expand(small.shape)
    label = None if mark is None else cut(mark, axes).expand(small.shape)
    b.connect(small, ids, op="read", hist=hist, label=label)
    return ids.expand(src.shape), full(0, past.shape)


def _core(t: Tensor) -> Tensor:
    return cut(t, varying(t))


def _permuted(w: Par, names: str, order: Sequence[str]) -> Par:
    """`w` with its axes in `order`; others are cut (the weight is constant there)."""
    keep = [i for i, c in enumerate(names) if c in order]
    slots, hist = cut(w.slots, keep), cut(w.hist, keep)
    drop = [i for i in range(len(names)) if i not in keep]
    for i in reversed(drop):
        slots, hist = slots.squeeze(i), hist.squeeze(i)
    left = [names[i] for i in keep]
    perm = [left.index(c) for c in order]
    slots, hist = slots.permute(perm), hist.permute(perm)
    return Par(tuple(slots.shape), slots, w.base, hist)


def _named(t: Tensor, names: str, order: Sequence[str]) -> Tensor:
    """`t` (axes called `names`) with its axes in `order`, size 1 where it has none."""
    drop = [i for i, c in enumerate(names) if c not in order]
    for i in reversed(drop):
        t = t.narrow(i, 0, 1).squeeze(i)
    left = [c for c in names if c in order]
    t = t.permute([left.index(c) for c in order if c in left])
    for i, c in enumerate(order):
        if c not in left:
            t = t.unsqueeze(i)
    return t


def _contract_acts(b: Builder, x: Act, w: Act, axes: Axes, shape: tuple[int, ...], op: str) -> Act:
    """Two activations: a node for each product, then a sum (DESIGN section 3)."""
    kernel = "".join(c for c in axes.kernel if w.on(axes.w.index(c)))
    if kernel:  # nodes for single kernel elements: their offsets are positions
        x, axes = _beside_kernel(b, x, w, axes, kernel)
    names = list(dict.fromkeys(axes.out + axes.contracted))
    size = {c: n for c, n in zip(axes.w, w.shape, strict=True)}
    size |= {c: n for c, n in zip(axes.x, x.shape, strict=True) if size.get(c, 1) == 1}
    size |= {c: n for c, n in zip(axes.out, shape, strict=True) if c not in size}
    size |= {c: n for c, n in zip(axes.out, shape, strict=True) if c not in axes.w}
    left, right = (_renamed(v, n, names) for v, n in ((x, axes.x), (w, axes.w)))
    space = tuple(size[c] for c in names)
    joined = join(b, [left, right], space, Spec(op, (0, 1), kind="product"))
    dims = [i for i, c in enumerate(names) if c in axes.contracted]
    summed = reduce(b, joined, dims, f"{op} sum", keepdim=False)
    return replace(summed, shape=shape, hist=summed.hist.expand(shape))


def _beside_kernel(b: Builder, x: Act, w: Act, axes: Axes, kernel: str) -> tuple[Act, Axes]:
    """`x` repeated along the kernel axes, where it gets pinned neurons, and contracted there."""
    sizes = [w.shape[axes.w.index(c)] for c in kernel]

    def fn(t: Tensor) -> Tensor:
        return t.reshape(*t.shape, *(1 for _ in sizes)).expand(*t.shape, *sizes)

    hist = fn(x.hist)
    wide = Act(
        tuple(hist.shape), tuple(fn(f) for f in x.factors), hist, fn(x.pos), None, x.root + "*"
    )
    wide = b.with_pinned(wide, list(range(x.dim, x.dim + len(sizes))))
    left = "".join(c for c in axes.kernel if c not in kernel)
    return wide, Axes(axes.x + kernel, axes.w, axes.out, left)


def _renamed(x: Act, names: str, order: list[str]) -> Act:
    """`x` with its axes in `order`; a view, so labels can be replayed through it."""

    def fn(t: Tensor) -> Tensor:
        return _named(t, names, order)

    hist = fn(x.hist)
    factors = tuple(fn(f) for f in x.factors)
    return Act(tuple(hist.shape), factors, hist, fn(x.pos), Origin(fn, (x,)), x.root + "'", x.data)


def par_factors(b: Builder, w: Par) -> Act:
    """A weight as an activation with a factor an axis: column nodes -> row nodes.

    For weights that are computed from weights (weight norm, spectral norm, low-rank updates): the
    slots stay edges, and what is computed from them attaches to the rows and columns.
    """
    vary = sorted(varying(w.slots))
    if len(vary) < 2 or not w.affine or varying(w.hist) - set(vary):
        return b.as_act(w)
    rows, cols = vary[0], vary[1]
    key = ("factors", par_key(w), rows, cols)
    grid = [n if i in vary else 1 for i, n in enumerate(w.shape)]
    dst_shape = [n if i == rows else 1 for i, n in enumerate(grid)]
    src_shape = [n if i == cols else 1 for i, n in enumerate(grid)]
    src, dst = b.nodes("neuron", "column", src_shape), b.nodes("neuron", "row", dst_shape)
    past = cut(w.hist, varying(w.hist))
    view = Par(tuple(grid), cut(w.slots, vary), w.base, past.expand(grid))
    b.shared(key, src, dst)
    b.connect(src, dst, op="matrix", kind="weight", par=view)
    return b.act(w.shape, [broadcast(dst, w.shape), broadcast(src, w.shape)])
