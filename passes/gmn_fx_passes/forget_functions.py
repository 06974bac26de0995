"""Activations leave: elementwise functions, dropout, codes and masks that are constants."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from dataclasses import replace as with_fields
from typing import ClassVar

import torch
from torch import fx

from gmn_fx.ir import ops
from gmn_fx.ir.edit import erase_dead, replace
from gmn_fx.ir.program import Program
from gmn_fx.lowering.build import NO_HISTORIES
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.plugin import plugin
from gmn_fx_passes.upstream import Upstream, aten

LEFT_OUT = "a buffer that acts on activations element by element; the paper's graph has none"
# Elementwise, but not tagged so by PyTorch.
_ALSO = frozenset({
    "dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "hardtanh", "celu",
    "selu", "relu6", "log_sigmoid", "softshrink", "hardshrink", "threshold", "hardswish", "where",
    "masked_fill",
})  # fmt: skip
_MOVES = frozenset({
    aten.reshape.default, aten.permute.default, aten.slice.Tensor, aten.select.int,
    aten.cat.default, aten.unsqueeze.default, aten.squeeze.dims, aten.flip.default,
    aten.roll.default,
})  # fmt: skip


@plugin.register_pass
@dataclass(frozen=True)
class ForgetFunctions(Pass):
    """Leave out what happens to one activation element by element.

    An elementwise function of one activation, of constants, buffers and of data that is not
    floating-point (masks) is that activation, if shape and dtype stay. So is the sum of an
    activation and of itself in another order (what is left of a rotary code). Whatever else would
    go into histories, such as strides and poolings, is left out when the graph is built. The
    program computes something else then: it is meant for a graph that does not show functions.

    Before::

        program "layer" {
          %x = input "x" : f32[2, 4]
          %w = param "w" : f32[4, 4]
          %code = constant "code" : f32[4]
          %0 = aten.linear.default(%x, %w) : f32[2, 4]
          %1 = aten.add.Tensor(%0, %code) : f32[2, 4]
          %2 = aten.relu.default(%1) : f32[2, 4]
          %3 = aten.linear.default(%2, %w) : f32[2, 4]
          return %3
        }

    After::

        program "layer" {
          %x = input "x" : f32[2, 4]
          %w = param "w" : f32[4, 4]
          %code = constant "code" : f32[4]
          %0 = aten.linear.default(%x, %w) : f32[2, 4]
          %1 = aten.linear.default(%0, %w) : f32[2, 4]
          return %1
        }
    """

    name: ClassVar[str] = "forget-functions"
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset({"canonicalise"})
    establishes: ClassVar[frozenset[str]] = frozenset({NO_HISTORIES})
    keeps_meaning: ClassVar[bool] = False

    def apply(self, ir: Program) -> PassResult:
        """Erase every function of one activation."""
        program = ir.copy()
        known = Upstream.of(program)
        changed = False
        for node in list(program.graph.nodes):
            kept = _argument(node, known) if node.op == "call_function" else None
            if kept is not None:
                replace(node, kept)
                changed = True
        if not changed:
            return PassResult(ir, False)
        erase_dead(program)
        return PassResult(_with_reasons(ir, program), True)


def _with_reasons(before: Program, after: Program) -> Program:
    """`after`, where buffers say why nothing reads them any more."""
    read = {n.name for n in before.graph.nodes if n.op == "placeholder" and n.users}
    gone = {n.name for n in after.graph.nodes if n.op == "placeholder" and not n.users} & read
    bindings = {
        name: with_fields(b, reason=LEFT_OUT) if name in gone and b.kind == "buffer" else b
        for name, b in after.bindings.items()
    }
    return with_fields(after, bindings=bindings)


def _argument(node: fx.Node, known: Upstream) -> fx.Node | None:
    """The activation that `node` is an elementwise function of; None if there is no such one."""
    if node.target is ops.skip:
        return _in_other_order(*node.args)  # type: ignore[arg-type]
    if node.target is operator.getitem and node.args[1] == 0:
        whole = node.args[0]
        assert isinstance(whole, fx.Node)
        dropped = whole.target is aten.native_dropout.default
        return _carrier(whole, node, known) if dropped else None
    if node.target is not ops.causal_mask and not _elementwise(node.target):
        return None
    return _carrier(node, node, known)


def _in_other_order(a: fx.Node, c: fx.Node) -> fx.Node | None:
    """The one of which the other is a movement."""
    found = [whole for whole, part in ((c, a), (a, c)) if _moved(part, whole)]
    return found[0] if found else None


def _moved(part: fx.Node, whole: fx.Node) -> bool:
    """Whether `part` is made of `whole` by movement alone."""
    waiting = [part]
    while waiting:
        node = waiting.pop()
        if node is whole:
            continue
        if node.target not in _MOVES:
            return False
        waiting += node.all_input_nodes
    return True


def _carrier(call: fx.Node, result: fx.Node, known: Upstream) -> fx.Node | None:
    moving = [n for n in call.all_input_nodes if n in known.bits]
    learned = any(n in known.learned and n not in known.bits for n in call.all_input_nodes)
    if len(moving) > 1:
        moving = [n for n in moving if n not in known.loose]
    if learned or len(moving) != 1 or not isinstance(result.meta["val"], torch.Tensor):
        return None
    val, own = result.meta["val"], moving[0].meta["val"]
    same = isinstance(own, torch.Tensor) and (own.shape, own.dtype) == (val.shape, val.dtype)
    return moving[0] if same and val.is_floating_point() else None


def _elementwise(target: object) -> bool:
    if not isinstance(target, torch._ops.OpOverload):
        return False
    return torch.Tag.pointwise in target.tags or target.overloadpacket.__name__ in _ALSO
