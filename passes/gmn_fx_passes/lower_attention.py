"""Fused attention as matmul, scale, mask, softmax, matmul."""

from __future__ import annotations

import math
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

_FUSED = (
    "scaled_dot_product_attention", "_scaled_dot_product_attention_math",
    "_scaled_dot_product_attention_math_for_mps", "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention", "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention", "_scaled_dot_product_fused_attention_overrideable",
)  # fmt: skip
_TARGETS = frozenset(getattr(aten, n).default for n in _FUSED if hasattr(aten, n))


@plugin.register_pass
@dataclass(frozen=True)
class LowerAttention(Pass):
    """Take fused scaled dot-product attention apart.

    Grouped keys and values are repeated (`unsqueeze`, `expand`, `reshape`); the scale stays a
    number; a causal mask is `gmn.causal_mask`, a boolean mask `where`, any other mask `add`;
    dropout acts on the weights. Attention whose saved statistics are read is left alone.

    Before::

        program "attention" {
          %q = input "q" : f32[2, 5, 4]
          %k = input "k" : f32[2, 5, 4]
          %v = input "v" : f32[2, 5, 4]
          %0 = aten.scaled_dot_product_attention.default(%q, %k, %v, none, 0.0, true) : f32[2, 5, 4]
          return %0
        }

    After::

        program "attention" {
          %q = input "q" : f32[2, 5, 4]
          %k = input "k" : f32[2, 5, 4]
          %v = input "v" : f32[2, 5, 4]
          %0 = aten.permute.default(%k, [0, 2, 1]) : f32[2, 4, 5]
          %1 = aten.matmul.default(%q, %0) : f32[2, 5, 5]
          %2 = aten.mul.Tensor(%1, 0.5) : f32[2, 5, 5]
          %3 = gmn.causal_mask(%2) : f32[2, 5, 5]
          %4 = aten.softmax.int(%3, 2) : f32[2, 5, 5]
          %5 = aten.matmul.default(%4, %v) : f32[2, 5, 4]
          return %5
        }
    """

    name: ClassVar[str] = "lower-attention"
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset({"canonicalise"})

    def apply(self, ir: Program) -> PassResult:
        """Replace every fused attention."""
        return rewrite(ir, _lower)


def _lower(node: fx.Node) -> bool:
    read = _read(node) if node.target in _TARGETS else None
    if read is None:
        return False
    replace(read, _attention(node, arguments(node)))
    return True


def _read(node: fx.Node) -> fx.Node | None:
    """The node that holds the attended values, if nothing else of it is read."""
    if arguments(node).get("dropout_mask") is not None:
        return None
    if isinstance(node.meta["val"], torch.Tensor):
        return node
    live = [u for u in result_users(node) if u.users]
    return live[0] if len(live) == 1 and live[0].args[1] == 0 else None


def _attention(node: fx.Node, given: dict[str, Any]) -> fx.Node:
    query, key, value = given["query"], given["key"], given["value"]

    def call(target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        return emit(node.graph, target, args, kwargs, like=node)

    if given.get("enable_gqa") or _grouped(query, key):
        heads = shape_of(query)[-3]
        key, value = _repeat_heads(call, key, heads), _repeat_heads(call, value, heads)
    rank = len(shape_of(key))
    swapped = [*range(rank - 2), rank - 1, rank - 2]
    scores = call(aten.matmul.default, query, call(aten.permute.default, key, swapped))
    scale = given.get("scale")
    scale = 1 / math.sqrt(shape_of(query)[-1]) if scale is None else scale
    if scale != 1:
        scores = call(aten.mul.Tensor, scores, scale)
    if given.get("is_causal"):
        scores = call(ops.causal_mask, scores)
    mask = given.get("attn_mask", given.get("attn_bias"))
    if mask is not None:
        scores = _masked(call, scores, mask)
    weights = call(aten.softmax.int, scores, len(shape_of(scores)) - 1)
    if given.get("dropout_p", 0.0):
        weights = call(aten.dropout.default, weights, given["dropout_p"], True)
    return call(aten.matmul.default, weights, value)


def _masked(call: Any, scores: fx.Node, mask: fx.Node) -> fx.Node:
    if mask.meta["val"].dtype == torch.bool:
        return call(aten.where.ScalarOther, mask, scores, -math.inf)  # type: ignore[no-any-return]
    return call(aten.add.Tensor, scores, mask)  # type: ignore[no-any-return]


def _grouped(query: fx.Node, key: fx.Node) -> bool:
    """The fused kernels take fewer heads of keys without being told."""
    have, want = shape_of(key), shape_of(query)
    return len(have) > 2 and have[-3] != want[-3] and have[-3] != 1


def _repeat_heads(call: Any, x: fx.Node, heads: int) -> fx.Node:
    """Each head of `x` as often as there are queries for it, neighbours first."""
    *batch, have, length, size = shape_of(x)
    if have == heads:
        return x
    axis = len(batch) + 1
    wide = call(aten.unsqueeze.default, x, axis)
    wide = call(aten.expand.default, wide, [*batch, have, heads // have, length, size])
    return call(aten.reshape.default, wide, [*batch, heads, length, size])  # type: ignore[no-any-return]
