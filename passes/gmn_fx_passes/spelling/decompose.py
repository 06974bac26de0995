"""Ops that torch itself can write with simpler ones: inline that."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_unflatten

from gmn_fx.ir.edit import context
from gmn_fx_passes.spelling.common import Rewrite, aten, table_decorator

TABLE: dict[Any, Rewrite] = {}
rewrites = table_decorator(TABLE)


@rewrites(
    "tensordot", "kron", "chain_matmul", "linalg_multi_dot", "hstack", "vstack",
    "dstack", "column_stack", "block_diag", "fliplr", "flipud", "softmin", "pairwise_distance",
    "atleast_1d", "atleast_2d", "atleast_3d", "linalg_vecdot",
)  # fmt: skip
def inline(node: fx.Node) -> fx.Node | None:
    """Put torch's own composite implementation of the op in its place.

    Only where the op has one result and the implementation is made of functional ATen ops.
    """
    leaves, spec = tree_flatten((node.args, node.kwargs))
    nodes = [leaf for leaf in leaves if isinstance(leaf, fx.Node)]

    def run(*tensors: torch.Tensor) -> Any:
        feed = iter(tensors)
        filled = [next(feed) if isinstance(leaf, fx.Node) else leaf for leaf in leaves]
        args, kwargs = tree_unflatten(filled, spec)
        return node.target(*args, **kwargs)  # type: ignore[operator]

    with torch.no_grad():
        traced = make_fx(run)(*(n.meta["val"] for n in nodes)).graph
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
            result = inner.args[0]
            return mapping[result] if isinstance(result, fx.Node) else None
        else:
            with node.graph.inserting_before(node):
                new = node.graph.node_copy(inner, lambda n: mapping[n])
            new.meta = {"val": _value(inner, mapping), **context(node)}
            mapping[inner] = new
    return None


def _value(inner: fx.Node, mapping: dict[fx.Node, fx.Node]) -> Any:
    args, kwargs = fx.node.map_arg((inner.args, inner.kwargs), lambda n: mapping[n].meta["val"])
    with torch.no_grad():
        return inner.target(*args, **kwargs)  # type: ignore[operator]
