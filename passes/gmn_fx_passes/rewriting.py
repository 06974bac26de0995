"""The loop that the lowering passes share: offer every node once, clean up if any was replaced."""

from __future__ import annotations

from collections.abc import Callable

from torch import fx

from gmn_fx.ir.edit import erase_dead
from gmn_fx.ir.program import Program
from gmn_fx.registry.passes import PassResult


def rewrite(ir: Program, step: Callable[[fx.Node], bool]) -> PassResult:
    """Apply `step` to every call of a copy of `ir`; it returns whether it replaced the node."""
    program = ir.copy()
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    if sum([step(node) for node in calls]) == 0:
        return PassResult(ir, False)
    erase_dead(program)
    return PassResult(program, True)
