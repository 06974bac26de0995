"""Norms that are written by hand as the one op of all norms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import fx

from gmn_fx.ir import ops
from gmn_fx.ir.edit import emit, erase_dead, replace, shape_of
from gmn_fx.ir.program import Program
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.plugin import plugin
from gmn_fx_passes.upstream import Upstream, aten


@plugin.register_pass
@dataclass(frozen=True)
class RaiseNorms(Pass):
    """Find an activation that is divided by the root of its own mean square.

    `x * rsqrt(mean(x * x) + eps)`, in any spelling, is `gmn.normalize`; with the mean subtracted
    first it is a centred one. A parameter along the normalised axes by which the result is
    multiplied, and one that is added to that, are its weight and bias.

    Before::

        program "rms" {
          %x = input "x" : f32[2, 4]
          %w = param "w" : f32[4]
          %0 = aten.pow.Tensor_Scalar(%x, 2) : f32[2, 4]
          %1 = aten.mean.dim(%0, [1], true) : f32[2, 1]
          %2 = aten.add.Tensor(%1, 1e-05) : f32[2, 1]
          %3 = aten.rsqrt.default(%2) : f32[2, 1]
          %4 = aten.mul.Tensor(%x, %3) : f32[2, 4]
          %5 = aten.mul.Tensor(%w, %4) : f32[2, 4]
          return %5
        }

    After::

        program "rms" {
          %x = input "x" : f32[2, 4]
          %w = param "w" : f32[4]
          %0 = gmn.normalize(%x, %w, none, none, none, [1], [1], 1e-05, false) : f32[2, 4]
          return %0
        }
    """

    name: ClassVar[str] = "raise-norms"
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset({"canonicalise"})

    def apply(self, ir: Program) -> PassResult:
        """Replace every norm and what scales and shifts it."""
        program = ir.copy()
        known = Upstream.of(program)
        changed = False
        for node in list(program.graph.nodes):
            args = _norm(node, known) or _scaled(node, known) or _shifted(node, known)
            if args is not None:
                val = node.meta["val"]
                new = emit(program.graph, ops.normalize, args, like=node, val=val)
                known.like(new, node)
                replace(node, new)
                changed = True
        if not changed:
            return PassResult(ir, False)
        erase_dead(program)
        return PassResult(program, True)


def _norm(node: fx.Node, known: Upstream) -> tuple[Any, ...] | None:
    """Arguments of the norm that `node` is the last step of."""
    if node not in known.bits or node.kwargs or len(node.args) != 2:
        return None
    pairs = [node.args, node.args[::-1]] if node.target is aten.mul.Tensor else [node.args]
    for x, scale in pairs:
        if not (isinstance(x, fx.Node) and isinstance(scale, fx.Node)):
            continue
        found = _scale(scale, divided=node.target is aten.div.Tensor)
        if node.target not in (aten.mul.Tensor, aten.div.Tensor) or found is None:
            continue
        statistic, eps = found
        for value, center in ((_centred(x, statistic), True), (x, False)):
            dims = None if value is None else _dims(statistic, x, value)
            if dims is not None and shape_of(node) == shape_of(x):
                return value, None, None, None, None, dims, dims, eps, center
    return None


def _scale(scale: fx.Node, *, divided: bool) -> tuple[fx.Node, float] | None:
    """(mean square, eps) if `scale` is the inverse root of their sum, or the root of a divisor."""
    power = scale.args[1] if scale.target is aten.pow.Tensor_Scalar else None
    roots = {aten.sqrt.default: True, aten.rsqrt.default: False}
    root = roots.get(scale.target) if power is None else {0.5: True, -0.5: False}.get(power)  # type: ignore[arg-type,call-overload]
    inner = scale.args[0] if scale.args else None
    if root is not divided or not isinstance(inner, fx.Node):
        return None
    if inner.target is aten.add.Tensor and not inner.kwargs:
        statistic, eps = inner.args
        if isinstance(statistic, fx.Node) and isinstance(eps, (int, float)):
            return statistic, float(eps)
    return None


def _centred(x: fx.Node, statistic: fx.Node) -> fx.Node | None:
    """What `x` is without its mean over the axes of the statistic."""
    if x.target is not aten.sub.Tensor or x.kwargs:
        return None
    value, mean = x.args
    same = isinstance(mean, fx.Node) and mean.target is aten.mean.dim and mean.args[0] is value
    if not same or list(mean.args[1:3]) != [statistic.args[1], True]:  # type: ignore[union-attr]
        return None
    return value  # type: ignore[return-value]


def _dims(statistic: fx.Node, x: fx.Node, value: fx.Node) -> list[int] | None:
    """Axes of the mean of the squares of `x`, or of the variance of `value`, if it is one."""
    if statistic.target is aten.mean.dim:
        squared, *rest = statistic.args
        kept = len(rest) == 2 and rest[1] is True and not statistic.kwargs
        known = isinstance(squared, fx.Node) and _square_of(squared) is x
        return list(rest[0]) if kept and known else None  # type: ignore[arg-type]
    if statistic.target is aten.var.correction and x is not value:
        biased = dict(statistic.kwargs) == {"correction": 0, "keepdim": True}
        return list(statistic.args[1]) if biased and statistic.args[0] is value else None  # type: ignore[arg-type]
    return None


def _square_of(node: fx.Node) -> object:
    if node.target is aten.square.default:
        return node.args[0]
    if node.target is aten.pow.Tensor_Scalar:
        return node.args[0] if node.args[1] == 2 else None
    same = node.target is aten.mul.Tensor and node.args[0] is node.args[1]
    return node.args[0] if same else None


def _scaled(node: fx.Node, known: Upstream) -> tuple[Any, ...] | None:
    found = _affine(node, known) if node.target is aten.mul.Tensor else None
    if found is None or any(a is not None for a in found[0].args[1:5]):
        return None
    norm, weight = found
    return (norm.args[0], weight, *norm.args[2:])


def _shifted(node: fx.Node, known: Upstream) -> tuple[Any, ...] | None:
    found = _affine(node, known) if node.target is aten.add.Tensor else None
    if found is None or found[0].args[2] is not None:
        return None
    norm, bias = found
    return (*norm.args[:2], bias, *norm.args[3:])


def _affine(node: fx.Node, known: Upstream) -> tuple[fx.Node, fx.Node] | None:
    """(norm that nobody else reads, parameter along its normalised axes)."""
    for norm, other in () if node.kwargs else (node.args, node.args[::-1]):
        if not (isinstance(norm, fx.Node) and isinstance(other, fx.Node)):
            return None
        if norm.target is not ops.normalize or len(norm.users) != 1 or other in known.bits:
            continue
        shape, dims = shape_of(norm), list(norm.args[6])  # type: ignore[arg-type]
        last = list(range(len(shape) - len(dims), len(shape)))
        if other in known.learned and dims == last and shape_of(other) == [shape[d] for d in dims]:
            return norm, other
    return None
