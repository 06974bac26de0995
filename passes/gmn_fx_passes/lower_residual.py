"""Skip connections as `gmn.residual`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
class LowerResidual(Pass):
    """Find additions that are skip connections.

    `add(a, b)` where both have the same shape and are computed from the model's inputs, and one
    is computed from the other, is `gmn.residual(that other, the one)`.

    Before::

        program "block" {
          %x = input "x" : f32[2, 4]
          %w = param "w" : f32[4, 4]
          %0 = aten.linear.default(%x, %w) : f32[2, 4]
          %1 = aten.add.Tensor(%0, %x) : f32[2, 4]
          return %1
        }

    After::

        program "block" {
          %x = input "x" : f32[2, 4]
          %w = param "w" : f32[4, 4]
          %0 = aten.linear.default(%x, %w) : f32[2, 4]
          %1 = gmn.residual(%x, %0) : f32[2, 4]
          return %1
        }
    """

    name: ClassVar[str] = "lower-residual"
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset({"canonicalise"})

    def apply(self, ir: Program) -> PassResult:
        """Replace every addition that is a skip connection."""
        program = ir.copy()
        before = _ancestors(program)
        changed = False
        for node in list(program.graph.nodes):
            pair = _skip(node, before) if node.target is aten.add.Tensor else None
            if pair is not None:
                val = node.meta["val"]
                new = emit(program.graph, ops.residual, pair, like=node, val=val)
                before[new] = before[node]
                replace(node, new)
                changed = True
        return PassResult(program, True) if changed else PassResult(ir, False)


def _ancestors(program: Program) -> dict[fx.Node, tuple[int, int]]:
    """Node -> (its bit, the bits of all activations that it is computed from).

    Only nodes that depend on a model input are in the table.
    """
    table: dict[fx.Node, tuple[int, int]] = {}
    for index, node in enumerate(program.graph.nodes):
        bit = 1 << index
        if node.op == "placeholder":
            if program.bindings[node.name].kind == "input":
                table[node] = (bit, 0)
            continue
        known = [table[n] for n in node.all_input_nodes if n in table]
        if known:
            union = 0
            for own, above in known:
                union |= own | above
            table[node] = (bit, union)
    return table


def _skip(node: fx.Node, before: dict[fx.Node, tuple[int, int]]) -> tuple[fx.Node, fx.Node] | None:
    """(skip, branch) if `node` adds a value to something computed from it."""
    if len(node.args) != 2 or node.kwargs:
        return None
    left, right = node.args
    if not (isinstance(left, fx.Node) and isinstance(right, fx.Node)) or left is right:
        return None
    if left not in before or right not in before:
        return None
    if shape_of(left) != shape_of(right) or not node.meta["val"].is_floating_point():
        return None
    if before[left][0] & before[right][1]:
        return left, right
    return (right, left) if before[right][0] & before[left][1] else None
