"""Biases as ops of their own, so that one rule draws every bias node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from gmn_fx.ir import ops
from gmn_fx.ir.edit import emit, replace, shape_of
from gmn_fx.ir.program import Program
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.plugin import plugin

aten = torch.ops.aten


@plugin.register_pass
@dataclass(frozen=True)
class InsertBiasNodes(Pass):
    """Take the bias out of `linear` and `convolution`; find biases that are added by hand.

    A bias is `gmn.bias(y, b, axis)`. An addition is one where a parameter with one axis is added
    along the last axis of what `linear` or `matmul` has just made.

    Before::

        program "layers" {
          %x = input "x" : f32[2, 4]
          %w = param "w" : f32[4, 4]
          %b = param "b" : f32[4]
          %0 = aten.linear.default(%x, %w, %b) : f32[2, 4]
          %1 = aten.matmul.default(%0, %w) : f32[2, 4]
          %2 = aten.add.Tensor(%1, %b) : f32[2, 4]
          return %2
        }

    After::

        program "layers" {
          %x = input "x" : f32[2, 4]
          %w = param "w" : f32[4, 4]
          %b = param "b" : f32[4]
          %0 = aten.linear.default(%x, %w) : f32[2, 4]
          %1 = gmn.bias(%0, %b, 1) : f32[2, 4]
          %2 = aten.matmul.default(%1, %w) : f32[2, 4]
          %3 = gmn.bias(%2, %b, 1) : f32[2, 4]
          return %3
        }
    """

    name: ClassVar[str] = "insert-bias-nodes"
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset({"canonicalise"})

    def apply(self, ir: Program) -> PassResult:
        """Split every bias off."""
        program = ir.copy()
        data = _from_inputs(program)
        changed = False
        for node in list(program.graph.nodes):
            new = _split(node) or _added(node, data)
            if new is not None:
                if node in data:
                    data.add(new)
                replace(node, new)
                changed = True
        return PassResult(program, True) if changed else PassResult(ir, False)


def _from_inputs(program: Program) -> set[fx.Node]:
    """Nodes that are not computed from parameters and buffers alone."""
    found: set[fx.Node] = set()
    for node in program.graph.nodes:
        if node.op == "placeholder":
            if program.bindings[node.name].kind not in ("param", "buffer"):
                found.add(node)
        elif not node.all_input_nodes or any(n in found for n in node.all_input_nodes):
            found.add(node)
    return found


def _split(node: fx.Node) -> fx.Node | None:
    """`linear` or `convolution` with a bias: the layer without it, and `gmn.bias`."""
    if node.target not in (aten.linear.default, aten.convolution.default):
        return None
    bias: Any = node.args[2] if len(node.args) > 2 else None
    if not isinstance(bias, fx.Node):
        return None
    if node.target is aten.linear.default:
        args, axis = node.args[:2], len(shape_of(node)) - 1
    else:
        args, axis = (*node.args[:2], None, *node.args[3:]), 1
    val = node.meta["val"]
    plain = emit(node.graph, node.target, args, like=node, val=val)  # type: ignore[arg-type]
    if "torch_fn" in node.meta:
        plain.meta["torch_fn"] = node.meta["torch_fn"]
    return emit(node.graph, ops.bias, (plain, bias, axis), like=node, val=val)


def _added(node: fx.Node, data: set[fx.Node]) -> fx.Node | None:
    """`add(product, parameter)` along the last axis, as `gmn.bias`."""
    if node.target is not aten.add.Tensor or len(node.args) != 2 or node.kwargs:
        return None
    for product, bias in (node.args, node.args[::-1]):
        if not (isinstance(product, fx.Node) and isinstance(bias, fx.Node)):
            return None
        made = product.target in (aten.linear.default, aten.matmul.default) and product in data
        if made and bias not in data and shape_of(bias) == shape_of(product)[-1:]:
            args = (product, bias, len(shape_of(product)) - 1)
            return emit(node.graph, ops.bias, args, like=node, val=node.meta["val"])
    return None
