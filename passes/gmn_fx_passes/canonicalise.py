"""Fewer spellings: so that a lowering rule meets each idea under one name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from gmn_fx.errors import PassError
from gmn_fx.ir.edit import erase_dead, replace
from gmn_fx.ir.ops import leaf
from gmn_fx.ir.program import Program
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.plugin import plugin
from gmn_fx_passes.spelling import rewrite

_MAX_ROUNDS = 50


@plugin.register_pass
@dataclass(frozen=True)
class Canonicalise(Pass):
    """Give every op one spelling, drop copies, share equal computations, erase dead ones.

    - Copies (`clone`, `detach`, `contiguous`, casts to the same dtype, dropout in evaluation) go.
    - `view`, `flatten`, `_unsafe_view` ... are `reshape`; `t`, `transpose`, `mT` ... are `permute`;
      pieces of `chunk`, `split`, `unbind` are `slice` and `select`; `stack` is `cat`.
    - `addmm` is `matmul` and `add`; `mm`, `bmm`, `mv`, `dot` are `matmul`; `rsub` is `sub`.
    - Every convolution is `convolution`, "same" and "valid" paddings as numbers.
    - Axes are counted from the front; sizes are written out; trailing defaults are left off.

    No constant is folded: values stay symbolic.

    Before::

        program "linear" {
          %x = input "x" : f32[2, 8]
          %weight = param "weight" : f32[4, 8]
          %bias = param "bias" : f32[4]
          %0 = aten.t.default(%weight) : f32[8, 4]
          %1 = aten.addmm.default(%bias, %x, %0) : f32[2, 4]
          %2 = aten.clone.default(%1) : f32[2, 4]
          %3 = aten.view.default(%2, [-1, 2]) : f32[4, 2]
          return %3
        }

    After::

        program "linear" {
          %x = input "x" : f32[2, 8]
          %weight = param "weight" : f32[4, 8]
          %bias = param "bias" : f32[4]
          %0 = aten.permute.default(%weight, [1, 0]) : f32[8, 4]
          %1 = aten.matmul.default(%x, %0) : f32[2, 4]
          %2 = aten.add.Tensor(%1, %bias) : f32[2, 4]
          %3 = aten.reshape.default(%2, [4, 2]) : f32[4, 2]
          return %3
        }
    """

    name: ClassVar[str] = "canonicalise"
    level: ClassVar[Level] = "program"
    establishes: ClassVar[frozenset[str]] = frozenset({"canonical"})

    def apply(self, ir: Program) -> PassResult:
        """Rewrite to a fixed point."""
        program = ir.copy()
        for done in range(_MAX_ROUNDS):
            changes = _respell(program.graph) + _share(program.graph) + erase_dead(program)
            if not changes:
                return PassResult(program, True) if done else PassResult(ir, False)
        raise PassError(
            f"canonicalise: no fixed point after {_MAX_ROUNDS} rounds",
            hint="two rewrites undo each other; please report the program",
        )


def _respell(graph: fx.Graph) -> int:
    """One sweep of the spelling tables; how many nodes changed."""
    count = 0
    for node in list(graph.nodes):
        if node.op != "call_function" or not node.users:
            continue
        new = rewrite(node)
        if new is not None and new is not node:
            replace(node, new)
            count += 1
    return count


def _share(graph: fx.Graph) -> int:
    """Common subexpressions: equal op on equal arguments is one node. Random ops never are."""
    seen: dict[Any, fx.Node] = {}
    count = 0
    for node in list(graph.nodes):
        if node.op != "call_function" or not _pure(node):
            continue
        first = seen.setdefault((node.target, _key(node.args), _key(node.kwargs)), node)
        if first is not node:
            replace(node, first)
            count += 1
    return count


def _pure(node: fx.Node) -> bool:
    """Whether running it twice must give the same values."""
    if node.target is leaf:
        return False
    if not isinstance(node.target, torch._ops.OpOverload):
        return True
    return (
        torch.Tag.nondeterministic_seeded not in node.target.tags
        and not node.target._schema.is_mutable
        and "empty" not in node.target._schema.name
    )


def _key(arg: Any) -> Any:
    """A hashable stand-in that tells 1, 1.0 and True apart."""
    if isinstance(arg, (list, tuple)):
        return tuple(map(_key, arg))
    if isinstance(arg, dict):
        return tuple((k, _key(arg[k])) for k in sorted(arg))
    if isinstance(arg, slice):
        return ("slice", _key((arg.start, arg.stop, arg.step)))
    return arg if isinstance(arg, fx.Node) else (type(arg).__name__, repr(arg))
