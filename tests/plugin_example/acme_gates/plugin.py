"""The plug-in: a lowering for `LowRankLinear`, and a pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from acme_gates.layers import LowRankLinear
from gmn_fx.ir.edit import erase_dead
from gmn_fx.ir.program import Program
from gmn_fx.lowering import Act, Builder, Value
from gmn_fx.lowering.contract import Axes, contract
from gmn_fx.registry import Pass, PassResult, Plugin

plugin = Plugin("acme-gates")


@plugin.lowering(LowRankLinear)
def low_rank_linear(b: Builder, module: LowRankLinear, x: Value) -> Act:
    """Two contractions: the hidden units of the rank are neurons of their own."""
    batch = "ABCDEFGH"[: len(x.shape) - 1]
    rank = module.down.shape[1]
    hidden = contract(
        b, b.as_act(x), b.param("down"), Axes(f"{batch}i", "ir", f"{batch}r"),
        (*x.shape[:-1], rank), op="linear",
    )  # fmt: skip
    return contract(
        b, hidden, b.param("up"), Axes(f"{batch}r", "ro", f"{batch}o"), b.shape, op="linear"
    )


@plugin.register_pass
@dataclass(frozen=True)
class AcmeDropUnitScale(Pass):
    """Drop multiplications by one.

    Before:

        %0 = aten.mul.Tensor(%x, 1.0) : f32[2]
        %1 = aten.relu.default(%0) : f32[2]

    After:

        %0 = aten.relu.default(%x) : f32[2]
    """

    name: ClassVar[str] = "acme-drop-unit-scale"

    unit: float = 1.0

    def apply(self, ir: Program) -> PassResult:
        """Let the users of `x * 1` read `x`."""
        program = ir.copy()
        changed = False
        for node in program.graph.nodes:
            if node.target is torch.ops.aten.mul.Tensor and node.args[1] == self.unit:
                node.replace_all_uses_with(node.args[0])
                changed = True
        if not changed:
            return PassResult(ir, changed=False)
        erase_dead(program)
        return PassResult(program, changed=True)
