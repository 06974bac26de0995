"""Functions of whole matrices: what they keep of the symmetry of rows and columns.

`inverse(P A Q')` is `Q inverse(A) P'` for permutations P and Q; the exponential, powers and the
determinant keep one permutation of rows and columns alike, the size of the determinant both. What
sorts rows or columns, or depends on their order (triangles, QR, eigenvectors), keeps nothing: all
that it reads is pinned.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gmn_fx.lowering import Act, Axes, Builder, Par, Value, contract
from gmn_fx.lowering.axes import broadcast, cut, varying
from gmn_fx.lowering.contract import par_factors
from gmn_fx.lowering.reduce import opaque, reduce

from ..plugin import plugin

aten = torch.ops.aten
Side = tuple[Tensor, Tensor]  # ids and histories along one axis


@plugin.lowering(
    aten.linalg_solve_triangular,
    aten.linalg_qr,
    aten.linalg_cholesky,
    aten.linalg_householder_product,
    aten.linalg_svd,
    aten.linalg_lu_factor,
    aten.linalg_cholesky_ex,
    aten.linalg_lu_factor_ex,
    aten.linalg_lu,
    aten.linalg_lu_solve,
    aten.lu_unpack,
    aten.linalg_eigh,
    aten.linalg_eig,
    aten.linalg_eigvals,
    aten._linalg_svd,
    aten._linalg_eigh,
    aten.cholesky,
    aten.cholesky_solve,
    aten.cholesky_inverse,
    aten.triangular_solve,
    aten.linalg_lstsq,
    aten.ormqr,
    aten.svd,
    aten.as_strided_scatter,
    aten.nanmedian,
    aten.segment_reduce,
)
def matrix_function(b: Builder, *args: Any, **_: Any) -> Any:
    """One conservative node joined to all operands."""
    assert b.node is not None
    read: list[Value] = [a for a in args if isinstance(a, (Act, Par))]
    outs = opaque(b, [b.as_act(v) for v in read], b.shapes, _name(b))
    return outs if isinstance(b.node.meta["val"], (tuple, list)) else outs[0]


@plugin.lowering(aten.linalg_inv, aten.inverse, aten.linalg_inv_ex, aten.linalg_pinv, aten.pinverse)
def inverse(b: Builder, a: Value, *args: Any, **kwargs: Any) -> Any:
    """Rows of the result go with the columns of the matrix, and columns with rows."""
    matrix = _matrix(b, a) if _only_first(b) else None
    if matrix is None:
        return matrix_function(b, a, *args, **kwargs)
    return _results(b, _inverse(b, matrix, b.shape, _name(b)))


@plugin.lowering(
    aten.matrix_exp, aten.linalg_matrix_exp, aten.linalg_matrix_power, aten.matrix_power
)
def square_function(b: Builder, a: Value, *args: Any) -> Any:
    """Rows and columns change places together."""
    matrix = _matrix(b, a)
    if matrix is None:
        return matrix_function(b, a, *args)
    attr = f"{_name(b)}({args[0]})" if args else ""
    ends = [_paired(b, matrix, f"{_name(b)} {side}", attr) for side in ("row", "column")]
    shape = b.shape
    return b.act(shape, [broadcast(_along(ends[0], shape, -2), shape),
                         broadcast(_along(ends[1], shape, -1), shape)])  # fmt: skip


@plugin.lowering(
    aten.det, aten.linalg_det, aten.slogdet, aten.linalg_slogdet, aten._linalg_det,
    aten._linalg_slogdet,
)  # fmt: skip
def determinant(b: Builder, a: Value) -> Any:
    """The sign changes with rows or columns alone, the absolute value does not."""
    both = "slog" in _name(b)
    matrix = _matrix(b, a) if _only_first(b, 1 + both) else None
    if matrix is None:
        return matrix_function(b, a)
    outs = []
    if not both or _reads(b, 0):
        pairs = b.act((matrix.shape[-1],), [_paired(b, matrix, f"{_name(b)} pair", "")])
        outs.append(reduce(b, pairs, [0], _name(b), keepdim=False))
    if both:
        outs.append(reduce(b, matrix, [-2, -1], "logabsdet", keepdim=False))
    shape = b.shape
    laid = [b.act(shape, [broadcast(f, shape) for f in out.factors]) for out in outs]
    return _results(b, *[laid[0]] * (both and len(laid) < 2), *laid)


@plugin.lowering(aten.linalg_solve, aten._linalg_solve_ex, aten.linalg_solve_ex)
def solve(b: Builder, a: Value, y: Value, **kwargs: Any) -> Any:
    """The inverse of one matrix times another one, or times vectors."""
    matrix = _matrix(b, a) if _only_first(b) and kwargs.get("left", True) else None
    vector = len(y.shape) == 1 or tuple(y.shape) == tuple(a.shape[:-1])
    if matrix is None or len(y.shape) < 1 or (vector and len(y.shape) > 1):
        return matrix_function(b, a, y)
    inner = _inverse(b, matrix, tuple(a.shape), "inverse")
    ranks = len(a.shape) - 2, 0 if vector else len(y.shape) - 2
    letters = "ABCDEFGH"[: max(ranks)]
    batch, wide = (letters[len(letters) - rank :] for rank in ranks)
    right = "j" if vector else wide + "jk"
    out = letters + "i" + "k" * (not vector)
    other = par_factors(b, y) if isinstance(y, Par) and not vector else b.as_act(y)
    axes = Axes(right, batch + "ij", out)
    return _results(b, contract(b, other, inner, axes, b.shape, op=_name(b)))


def _name(b: Builder) -> str:
    return b.node.target.overloadpacket.__name__.lstrip("_")  # type: ignore[union-attr]


def _only_first(b: Builder, count: int = 1) -> bool:
    """Whether nothing but the first `count` results of the node is read."""
    assert b.node is not None
    values = b.node.meta["val"]
    return not isinstance(values, (tuple, list)) or not any(
        _reads(b, number) for number in range(count, len(values))
    )


def _reads(b: Builder, number: int) -> bool:
    """Whether result `number` of the node is read."""
    assert b.node is not None
    return any(u.target is not operator.getitem or u.args[1] == number for u in b.node.users)


def _results(b: Builder, *outs: Act) -> Any:
    """What the node returns; results that nobody reads are those before them."""
    assert b.node is not None
    if not isinstance(b.node.meta["val"], (tuple, list)):
        return outs[0]
    return (*outs, *(outs[-1],) * (len(b.node.meta["val"]) - len(outs)))


def _matrix(b: Builder, a: Value) -> Act | None:
    """The last two axes as one factor each, which vary along nothing else; None if they are not."""
    x = b.canonical(par_factors(b, a) if isinstance(a, Par) else b.as_act(a))
    last = {x.dim - 2, x.dim - 1}
    joint = [f for f in x.factors if varying(f) & last]
    if len(joint) == 1 and varying(joint[0]) == last:  # a node an element
        return _rows_and_columns(b, x)
    axes = [varying(f) for f in joint]
    if sorted(axes, key=sorted) != [{x.dim - 2}, {x.dim - 1}]:
        return None
    return None if len(x.factors) > 2 or varying(x.hist) & last else x


def _rows_and_columns(b: Builder, x: Act) -> Act | None:
    """A node for each row and one for each column, which read their elements."""
    if len(x.factors) > 1:
        return None
    sides = [reduce(b, x, [dim], f"{name} of elements", keepdim=True, kind="neuron")
             for dim, name in ((-1, "row"), (-2, "column"))]  # fmt: skip
    return b.act(x.shape, [broadcast(side.factors[0], x.shape) for side in sides])


def _side(x: Act, dim: int) -> Side:
    """Ids and histories along one of the last two axes, as vectors."""
    axis = dim % x.dim
    n = x.shape[axis]
    ids, hist = (cut(t, [axis]).expand([n if a == axis else 1 for a in range(x.dim)]).reshape(n)
                 for t in (x.on(axis)[0], x.hist))  # fmt: skip
    return ids, hist


def _along(ids: Tensor, shape: Sequence[int], dim: int) -> Tensor:
    axis = dim % len(shape)
    return ids.reshape([-1 if a == axis else 1 for a in range(len(shape))])


def _inverse(b: Builder, x: Act, shape: tuple[int, ...], op: str) -> Act:
    ends = []
    for name, dim in (("row", -1), ("column", -2)):
        ids, hist = _side(x, dim)
        ends.append(b.nodes("neuron", f"{op} {name}", ids.shape))
        b.connect(ids, ends[-1], op=op, hist=hist)
    return b.act(shape, [broadcast(_along(ends[0], shape, -2), shape),
                         broadcast(_along(ends[1], shape, -1), shape)])  # fmt: skip


def _paired(b: Builder, x: Act, op: str, attr: str) -> Tensor:
    """A node for each index, which reads the row and the column of that index."""
    ids = b.nodes("neuron", op, (x.shape[-1],))
    for number, dim in enumerate((-2, -1)):
        src, hist = _side(x, dim)
        b.connect(src, ids, op=op, hist=hist, operand=number, kind="operand", attr=attr)
    return ids
