"""Gates without neurons of their own: a value and its gate are one set of neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import fx

from gmn_fx.ir import ops
from gmn_fx.ir.edit import emit, replace
from gmn_fx.ir.program import Program
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.plugin import plugin
from gmn_fx_passes.upstream import Upstream, aten


@plugin.register_pass
@dataclass(frozen=True)
class JoinProducts(Pass):
    """Let the units of a product of activations be the units of both.

    `mul(a, b)` where both come out of layers is `gmn.joined_product(a, b)`. Where units of `a` and
    `b` do not correspond one to one (a statistic, an outer product) its rule makes a node each.

    Before::

        program "gate" {
          %x = input "x" : f32[2, 4]
          %a = param "a" : f32[4, 4]
          %b = param "b" : f32[4, 4]
          %0 = aten.linear.default(%x, %a) : f32[2, 4]
          %1 = aten.linear.default(%x, %b) : f32[2, 4]
          %2 = aten.sigmoid.default(%1) : f32[2, 4]
          %3 = aten.mul.Tensor(%0, %2) : f32[2, 4]
          return %3
        }

    After::

        program "gate" {
          %x = input "x" : f32[2, 4]
          %a = param "a" : f32[4, 4]
          %b = param "b" : f32[4, 4]
          %0 = aten.linear.default(%x, %a) : f32[2, 4]
          %1 = aten.linear.default(%x, %b) : f32[2, 4]
          %2 = aten.sigmoid.default(%1) : f32[2, 4]
          %3 = gmn.joined_product(%0, %2) : f32[2, 4]
          return %3
        }
    """

    name: ClassVar[str] = "join-products"
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset({"canonicalise"})

    def apply(self, ir: Program) -> PassResult:
        """Replace every product of activations."""
        program = ir.copy()
        known = Upstream.of(program)
        changed = False
        for node in list(program.graph.nodes):
            if node.target is aten.mul.Tensor and _gated(node, known):
                val = node.meta["val"]
                new = emit(program.graph, ops.joined_product, node.args, like=node, val=val)
                known.like(new, node)
                replace(node, new)
                changed = True
        return PassResult(program, True) if changed else PassResult(ir, False)


def _gated(node: fx.Node, known: Upstream) -> bool:
    pair = [x for x in node.args if isinstance(x, fx.Node)]
    return len(pair) == 2 and all(
        x in known.bits and x in known.learned and x.meta["val"].is_floating_point() for x in pair
    )
