"""Additions without neurons of their own: residual edges, and layers that share their neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import fx

from gmn_fx.ir import ops
from gmn_fx.ir.edit import emit, replace, shape_of
from gmn_fx.ir.program import Program
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.plugin import plugin
from gmn_fx_passes.upstream import Upstream, aten

_Form = tuple[Any, tuple[Any, ...]]  # an op and its operands
_LINEAR = frozenset({aten.linear.default, aten.convolution.default, aten.matmul.default})
# What leaves each unit what it is: movement, means over positions.
_PASSING = frozenset({
    aten.reshape.default, aten.permute.default, aten.expand.default, aten.unsqueeze.default,
    aten.squeeze.dims, aten.squeeze.dim, aten.mean.dim, aten.clone.default,
})  # fmt: skip


@plugin.register_pass
@dataclass(frozen=True)
class JoinSums(Pass):
    """Say for each addition of activations whose units the sum has.

    - One operand is computed from the other: `gmn.skip(the other, the one)`.
    - Both are images of linear layers that nobody else reads: `gmn.joined_sum(a, b)`.
    - Both are anything else of one shape: `gmn.skip` from the one behind fewer layers (a shortcut)
      to the one behind more of them.
    - A parameter with one axis that is added to an activation is `gmn.bias`.

    Before::

        program "block" {
          %x = input "x" : f32[2, 4]
          %a = param "a" : f32[4, 4]
          %b = param "b" : f32[4, 4]
          %0 = aten.linear.default(%x, %a) : f32[2, 4]
          %1 = aten.linear.default(%x, %b) : f32[2, 4]
          %2 = aten.add.Tensor(%0, %1) : f32[2, 4]
          %3 = aten.relu.default(%2) : f32[2, 4]
          %4 = aten.add.Tensor(%3, %x) : f32[2, 4]
          return %4
        }

    After::

        program "block" {
          %x = input "x" : f32[2, 4]
          %a = param "a" : f32[4, 4]
          %b = param "b" : f32[4, 4]
          %0 = aten.linear.default(%x, %a) : f32[2, 4]
          %1 = aten.linear.default(%x, %b) : f32[2, 4]
          %2 = gmn.joined_sum(%0, %1) : f32[2, 4]
          %3 = aten.relu.default(%2) : f32[2, 4]
          %4 = gmn.skip(%x, %3) : f32[2, 4]
          return %4
        }
    """

    name: ClassVar[str] = "join-sums"
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset({"insert-bias-nodes"})

    def apply(self, ir: Program) -> PassResult:
        """Replace every addition that has such a form."""
        program = ir.copy()
        known = Upstream.of(program)
        changed = False
        for node in list(program.graph.nodes):
            found = _form(node, known) if node.target is aten.add.Tensor else None
            if found is not None:
                target, args = found
                val = node.meta["val"]
                new = emit(program.graph, target, args, like=node, val=val)
                known.like(new, node)
                replace(node, new)
                changed = True
        return PassResult(program, True) if changed else PassResult(ir, False)


def _form(node: fx.Node, known: Upstream) -> _Form | None:
    """The op that says what the addition `node` is, and its operands."""
    pair = [x for x in node.args if isinstance(x, fx.Node)]
    if len(pair) != 2 or node.kwargs or pair[0] is pair[1]:
        return None
    if not all(x.meta["val"].is_floating_point() for x in pair):
        return None
    moving = [x for x in pair if x in known.bits]
    if len(moving) == 1:
        return _bias(moving[0], pair[1] if moving[0] is pair[0] else pair[0], known)
    return _sum(pair[0], pair[1], known) if moving else None


def _sum(left: fx.Node, right: fx.Node, known: Upstream) -> _Form | None:
    """Of two activations."""
    ordered = [p for p in ((left, right), (right, left)) if known.before(*p)]
    if not ordered and _plain(left, known) and _plain(right, known):
        return ops.joined_sum, (left, right)
    if shape_of(left) != shape_of(right):
        return None
    if ordered:
        return ops.skip, ordered[0]
    depths = [known.layers[x] for x in (left, right)]
    if not any(depths):
        return None
    return ops.skip, ((right, left) if depths[0] >= depths[1] else (left, right))


def _bias(x: fx.Node, other: fx.Node, known: Upstream) -> _Form | None:
    """A parameter with one axis, which lies along the last one of what it is added to."""
    shape = shape_of(x)
    if other not in known.learned or shape_of(other) != shape[-1:] or x not in known.learned:
        return None
    return ops.bias, (x, other, len(shape) - 1)


def _plain(x: fx.Node, known: Upstream) -> bool:
    """Whether `x` is what linear layers made, and nobody but the sum reads it."""
    if len(x.users) != 1 or x.op != "call_function":
        return False
    if x.target in _LINEAR:
        return any(n in known.learned and n not in known.bits for n in x.all_input_nodes)
    if x.target is ops.joined_sum:
        return True
    source = x.args[0] if x.target in _PASSING or x.target is ops.bias else None
    return isinstance(source, fx.Node) and _plain(source, known)
