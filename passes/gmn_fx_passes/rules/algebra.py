"""Functions of whole matrices: no element has a neuron of its own; what they read is pinned."""

from __future__ import annotations

from typing import Any

import torch

from gmn_fx.lowering import Act, Builder, Par, Value
from gmn_fx.lowering.reduce import opaque

from ..plugin import plugin

aten = torch.ops.aten


@plugin.lowering(
    aten.matrix_exp,
    aten.linalg_matrix_exp,
    aten.linalg_solve,
    aten.linalg_solve_triangular,
    aten.linalg_inv,
    aten.inverse,
    aten.linalg_inv_ex,
    aten.linalg_qr,
    aten.linalg_cholesky,
    aten.linalg_householder_product,
    aten.linalg_svd,
    aten.linalg_det,
    aten.linalg_slogdet,
    aten.linalg_lu_factor,
    aten.linalg_cholesky_ex,
    aten.linalg_lu_factor_ex,
    aten.linalg_lu,
    aten.linalg_lu_solve,
    aten.lu_unpack,
    aten.linalg_eigh,
    aten.linalg_eig,
    aten.linalg_eigvals,
    aten._linalg_det,
    aten._linalg_slogdet,
    aten._linalg_solve_ex,
    aten._linalg_svd,
    aten._linalg_eigh,
    aten.linalg_solve_ex,
    aten.linalg_pinv,
    aten.pinverse,
    aten.cholesky,
    aten.cholesky_solve,
    aten.cholesky_inverse,
    aten.triangular_solve,
    aten.linalg_lstsq,
    aten.ormqr,
    aten.linalg_matrix_power,
    aten.matrix_power,
    aten.det,
    aten.slogdet,
    aten.svd,
    aten.as_strided_scatter,
    aten.nanmedian,
    aten.segment_reduce,
)
def matrix_function(b: Builder, *args: Any, **_: Any) -> Any:
    """One conservative node joined to all operands."""
    assert b.node is not None
    read: list[Value] = [a for a in args if isinstance(a, (Act, Par))]
    name = b.node.target.overloadpacket.__name__  # type: ignore[union-attr]
    outs = opaque(b, [b.as_act(v) for v in read], b.shapes, name)
    return outs if isinstance(b.node.meta["val"], (tuple, list)) else outs[0]
