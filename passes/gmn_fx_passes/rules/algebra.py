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
    aten.col2im,
)
def matrix_function(b: Builder, *args: Any, **_: Any) -> Any:
    """One conservative node joined to all operands."""
    assert b.node is not None
    read: list[Value] = [a for a in args if isinstance(a, (Act, Par))]
    name = b.node.target.overloadpacket.__name__  # type: ignore[union-attr]
    outs = opaque(b, [b.as_act(v) for v in read], b.shapes, name)
    return outs if isinstance(b.node.meta["val"], (tuple, list)) else outs[0]
