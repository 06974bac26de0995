"""Ops that torch itself can write with simpler ones: inline that."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import fx
from torch._decomp import decomposition_table
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_unflatten

from gmn_fx.ir.edit import arguments, context, emit, replace, result_users
from gmn_fx_passes.spelling.common import Rewrite, aten, table_decorator

TABLE: dict[Any, Rewrite] = {}
rewrites = table_decorator(TABLE)


# Composite ops: tracing them is enough.
_COMPOSITE = (
    "tensordot", "kron", "chain_matmul", "linalg_multi_dot", "hstack", "vstack",
    "dstack", "column_stack", "block_diag", "fliplr", "flipud", "softmin", "pairwise_distance",
    "atleast_1d", "atleast_2d", "atleast_3d", "linalg_vecdot",
    "cross_entropy_loss", "nll_loss_nd", "l1_loss", "kl_div", "triplet_margin_loss",
    "cosine_embedding_loss", "margin_ranking_loss", "hinge_embedding_loss", "poisson_nll_loss",
    "diag", "meshgrid", "cross", "trapezoid", "diff", "cov", "corrcoef", "nuclear_norm",
    "frobenius_norm", "linalg_norm", "linalg_matrix_norm", "combinations", "cartesian_prod",
    "logdet", "cdist", "pdist", "nanmean", "linalg_diagonal", "broadcast_tensors", "dsplit",
    "hsplit", "vsplit", "batch_norm",
)  # fmt: skip
# Ops with a kernel of their own that torch can also write with others.
_KERNELS = (
    "nll_loss", "nll_loss_forward", "nll_loss2d_forward", "mse_loss", "smooth_l1_loss",
    "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "soft_margin_loss", "multi_margin_loss", "multilabel_margin_loss_forward",
    "_euclidean_dist", "dist", "diag_embed", "trace", "rot90", "renorm",
    "take", "linalg_cross", "aminmax", "count_nonzero", "diagonal_scatter", "log_sigmoid_forward",
)  # fmt: skip


@functools.cache
def _decompositions() -> dict[Any, Any]:
    names = {*_COMPOSITE, *_KERNELS}
    return {
        op: fn
        for op, fn in decomposition_table.items()
        if isinstance(op, torch._ops.OpOverload) and op.overloadpacket.__name__ in names
    }


@rewrites(*_COMPOSITE, *_KERNELS)
def inline(node: fx.Node) -> fx.Node | None:
    """Put torch's own implementation of the op by simpler ones in its place.

    Only where that is made of functional ATen ops.
    """
    leaves, spec = tree_flatten((node.args, node.kwargs))
    nodes = [leaf for leaf in leaves if isinstance(leaf, fx.Node)]

    def run(*tensors: torch.Tensor) -> Any:
        feed = iter(tensors)
        filled = [next(feed) if isinstance(leaf, fx.Node) else leaf for leaf in leaves]
        args, kwargs = tree_unflatten(filled, spec)
        return node.target(*args, **kwargs)  # type: ignore[operator]

    with torch.no_grad():
        traced = make_fx(run, decomposition_table=_decompositions())(
            *(n.meta["val"] for n in nodes)
        ).graph
    inner = [n for n in traced.nodes if n.op not in ("placeholder", "output")]
    if any(n.target is node.target or n.op != "call_function" for n in inner):
        return None
    if any(isinstance(n.target, torch._ops.OpOverload) and _writes(n.target) for n in inner):
        return None
    return _copy_into(node, nodes, traced)


def _writes(target: torch._ops.OpOverload) -> bool:
    return bool(target._schema.is_mutable) or target is aten.empty.memory_format


def _copy_into(node: fx.Node, inputs: list[fx.Node], traced: fx.Graph) -> fx.Node | None:
    """Copy the nodes of `traced` before `node`; the node that stands for its result."""
    feed = iter(inputs)
    mapping: dict[fx.Node, fx.Node] = {}
    for inner in traced.nodes:
        if inner.op == "placeholder":
            mapping[inner] = next(feed)
        elif inner.op == "output":
            return _handed_over(node, inner.args[0], mapping)
        else:
            with node.graph.inserting_before(node):
                new = node.graph.node_copy(inner, lambda n: mapping[n])
            new.meta = {"val": _value(inner, mapping), **context(node)}
            mapping[inner] = new
    return None


def _handed_over(node: fx.Node, result: Any, mapping: dict[fx.Node, fx.Node]) -> fx.Node | None:
    """The node for one result; with several, their readers are given each its own at once."""
    if isinstance(result, fx.Node):
        return mapping[result]
    if not isinstance(node.meta["val"], (tuple, list)):
        return None
    for user in result_users(node):
        if isinstance(result[user.args[1]], fx.Node):  # type: ignore[index]
            replace(user, mapping[result[user.args[1]]])  # type: ignore[index]
    return None


def _value(inner: fx.Node, mapping: dict[fx.Node, fx.Node]) -> Any:
    args, kwargs = fx.node.map_arg((inner.args, inner.kwargs), lambda n: mapping[n].meta["val"])
    with torch.no_grad():
        return inner.target(*args, **kwargs)  # type: ignore[operator]


@rewrites("_cdist_forward")
def distances(node: fx.Node) -> fx.Node:
    """All distances between two sets of vectors: norms of differences."""
    args = arguments(node)
    left = emit(node.graph, aten.unsqueeze.default, (args["x1"], -2), like=node)
    right = emit(node.graph, aten.unsqueeze.default, (args["x2"], -3), like=node)
    apart = emit(node.graph, aten.sub.Tensor, (left, right), like=node)
    norm = (apart, args["p"], [-1])
    return emit(node.graph, aten.linalg_vector_norm.default, norm, like=node)


@rewrites("cosine_similarity")
def cosine(node: fx.Node) -> fx.Node | None:
    """The product of two vectors over the product of their norms (each at least eps)."""
    args = arguments(node)
    x1, x2, eps = args["x1"], args["x2"], args["eps"]
    rank = max(x.meta["val"].dim() for x in (x1, x2))
    dim = args["dim"] % rank - rank
    if any(x.meta["val"].dim() < -dim for x in (x1, x2)):
        return None
    norms = []
    for x in (x1, x2):
        norm = emit(node.graph, aten.linalg_vector_norm.default, (x, 2, [dim]), like=node)
        norms.append(emit(node.graph, aten.clamp_min.default, (norm, eps), like=node))
    both = emit(node.graph, aten.mul.Tensor, (x1, x2), like=node)
    inner = emit(node.graph, aten.sum.dim_IntList, (both, [dim]), like=node)
    outer = emit(node.graph, aten.mul.Tensor, tuple(norms), like=node)
    return emit(node.graph, aten.div.Tensor, (inner, outer), like=node)
