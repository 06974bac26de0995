"""Every normalisation layer as one op, `gmn.normalize`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from gmn_fx.ir import ops
from gmn_fx.ir.edit import arguments, emit, replace, result_users, shape_of
from gmn_fx.ir.program import Program
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.plugin import plugin
from gmn_fx_passes.rewriting import rewrite

aten = torch.ops.aten


@plugin.register_pass
@dataclass(frozen=True)
class LowerNorm(Pass):
    """Write layer, group, instance, batch and RMS norms, in every ATen spelling, as one op.

    `gmn.normalize(x, weight, bias, mean, var, stat_dims, param_dims, eps, center)`: statistics
    over `stat_dims`, or running ones; parameters along `param_dims`. A group norm splits its
    channel axis first. A norm whose saved statistics are read as well is left alone.

    Before::

        program "norms" {
          %x = input "x" : f32[2, 4, 5]
          %weight = param "weight" : f32[4]
          %bias = param "bias" : f32[4]
          %0 = aten.group_norm.default(%x, 2, %weight, %bias) : f32[2, 4, 5]
          %1 = aten.layer_norm.default(%0, [5], none, none, 1e-06) : f32[2, 4, 5]
          return %1
        }

    After::

        program "norms" {
          %x = input "x" : f32[2, 4, 5]
          %weight = param "weight" : f32[4]
          %bias = param "bias" : f32[4]
          %0 = aten.reshape.default(%x, [2, 2, 2, 5]) : f32[2, 2, 2, 5]
          %1 = aten.reshape.default(%weight, [2, 2]) : f32[2, 2]
          %2 = aten.reshape.default(%bias, [2, 2]) : f32[2, 2]
          %3 = gmn.normalize(%0, %1, %2, none, none, [2, 3], [1, 2], 1e-05, true) : f32[2, 2, 2, 5]
          %4 = aten.reshape.default(%3, [2, 4, 5]) : f32[2, 4, 5]
          %5 = gmn.normalize(%4, none, none, none, none, [2], [2], 1e-06, true) : f32[2, 4, 5]
          return %5
        }
    """

    name: ClassVar[str] = "lower-norm"
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset({"canonicalise"})

    def apply(self, ir: Program) -> PassResult:
        """Replace every norm."""
        return rewrite(ir, _lower)


def _lower(node: fx.Node) -> bool:
    lower = _LOWERINGS.get(node.target)
    read = _read(node) if lower is not None else None
    if lower is None or read is None:
        return False
    replace(read, lower(node, arguments(node)))
    return True


def _read(node: fx.Node) -> fx.Node | None:
    """The node that holds the normalised tensor; None where a statistic is read, too."""
    if isinstance(node.meta["val"], torch.Tensor):
        return node
    live = [u for u in result_users(node) if u.users]
    if len(live) != 1 or live[0].args[1] != 0 or len(node.users) != len(result_users(node)):
        return None
    return live[0]


def _normalize(
    node: fx.Node,
    x: fx.Node,
    given: dict[str, Any],
    stat_dims: list[int],
    param_dims: list[int],
    *,
    running: bool = False,
    center: bool = True,
) -> fx.Node:
    mean, var = (given["running_mean"], given["running_var"]) if running else (None, None)
    eps = given.get("eps", given.get("epsilon"))
    if eps is None:  # rms_norm: torch's documented default
        eps = torch.finfo(x.meta["val"].dtype).eps
    args = (
        x,
        given.get("weight"),
        given.get("bias"),
        mean,
        var,
        stat_dims,
        param_dims,
        eps,
        center,
    )
    return emit(node.graph, ops.normalize, args, like=node, val=x.meta["val"])


def _layer_norm(node: fx.Node, given: dict[str, Any]) -> fx.Node:
    x = given["input"]
    rank = len(shape_of(x))
    dims = list(range(rank - len(given["normalized_shape"]), rank))
    return _normalize(node, x, given, dims, dims)


def _rms_norm(node: fx.Node, given: dict[str, Any]) -> fx.Node:
    x = given["input"]
    rank = len(shape_of(x))
    dims = list(range(rank - len(given["normalized_shape"]), rank))
    return _normalize(node, x, given, dims, dims, center=False)


def _group_norm(node: fx.Node, given: dict[str, Any]) -> fx.Node:
    x = given["input"]
    groups = int(given["num_groups"] if "num_groups" in given else given["group"])
    batch, channels, *space = shape_of(x)
    rank = len(space) + 2
    if groups == 1:
        return _normalize(node, x, given, list(range(1, rank)), [1])
    if groups == channels and space:
        return _normalize(node, x, given, list(range(2, rank)), [1])
    split = [groups, channels // groups]
    folded = _reshape(node, x, [batch, *split, *space])
    for key in ("weight", "bias"):
        if given.get(key) is not None:
            given[key] = _reshape(node, given[key], split)
    out = _normalize(node, folded, given, list(range(2, rank + 1)), [1, 2])
    return _reshape(node, out, [batch, channels, *space])


def _reshape(node: fx.Node, x: fx.Node, sizes: list[int]) -> fx.Node:
    return emit(node.graph, aten.reshape.default, (x, sizes), like=node)


def _instance_norm(node: fx.Node, given: dict[str, Any]) -> fx.Node:
    x = given["input"]
    space = list(range(2, len(shape_of(x))))
    return _normalize(node, x, given, space, [1], running=not given["use_input_stats"])


def _batch_norm(node: fx.Node, given: dict[str, Any]) -> fx.Node:
    """In training mode, and without running statistics, those of the batch are used."""
    x = given["input"]
    over = [axis for axis in range(len(shape_of(x))) if axis != 1]
    running = given.get("running_mean") is not None and not given.get("training", False)
    return _normalize(node, x, given, over, [1], running=running)


def _batch_norm_update(node: fx.Node, given: dict[str, Any]) -> fx.Node:
    return _batch_norm(node, {**given, "training": True})


def _overloads(names: str, lower: Any) -> dict[Any, Any]:
    packets = [getattr(aten, name, None) for name in names.split()]
    return {getattr(p, o): lower for p in packets if p is not None for o in p.overloads()}


_LOWERINGS: dict[Any, Any] = {
    **_overloads("layer_norm native_layer_norm", _layer_norm),
    **_overloads("rms_norm _fused_rms_norm", _rms_norm),
    **_overloads("group_norm native_group_norm", _group_norm),
    **_overloads("instance_norm", _instance_norm),
    **_overloads(
        "batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_functional "
        "_native_batch_norm_legit_no_training _batch_norm_no_update _batch_norm_impl_index "
        "cudnn_batch_norm miopen_batch_norm",
        _batch_norm,
    ),
    **_overloads("_batch_norm_with_update _batch_norm_with_update_functional", _batch_norm_update),
}
