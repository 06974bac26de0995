"""Norms without neurons of their own: their parameters attach to what is normalised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import fx

from gmn_fx.ir import ops
from gmn_fx.ir.edit import emit, replace
from gmn_fx.ir.program import Program
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.plugin import plugin
from gmn_fx_passes.rewriting import rewrite


@plugin.register_pass
@dataclass(frozen=True)
class JoinNorms(Pass):
    """Let the normalised units be the units themselves.

    `gmn.attached_norm` computes what `gmn.normalize` does. Its rule makes one gamma and one beta
    node for the norm, joined to the neurons that are there, and leaves running statistics out.

    Before::

        program "norm" {
          %x = input "x" : f32[2, 4]
          %w = param "w" : f32[4]
          %0 = gmn.normalize(%x, %w, none, none, none, [1], [1], 1e-05, true) : f32[2, 4]
          return %0
        }

    After::

        program "norm" {
          %x = input "x" : f32[2, 4]
          %w = param "w" : f32[4]
          %0 = gmn.attached_norm(%x, %w, none, none, none, [1], [1], 1e-05, true) : f32[2, 4]
          return %0
        }
    """

    name: ClassVar[str] = "join-norms"
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset({"lower-norm"})

    def apply(self, ir: Program) -> PassResult:
        """Replace every norm."""
        return rewrite(ir, _attached)


def _attached(node: fx.Node) -> bool:
    if node.target is not ops.normalize:
        return False
    val = node.meta["val"]
    new = emit(node.graph, ops.attached_norm, node.args, node.kwargs, like=node, val=val)
    replace(node, new)
    return True
