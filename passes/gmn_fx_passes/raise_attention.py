"""Attention as one op, however it was written."""

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

_SOFTMAX = frozenset({aten.softmax.int, aten._softmax.default, aten._safe_softmax.default})
_BETWEEN = frozenset({aten.reshape.default, aten._to_copy.default, aten.expand.default})


@dataclass(frozen=True)
class _Product:
    """A contraction of two activations, its axes named by letters."""

    left: fx.Node
    right: fx.Node
    names: tuple[str, str, str]

    @property
    def swapped(self) -> _Product:
        """The same contraction with its operands exchanged."""
        left, right, out = self.names
        return _Product(self.right, self.left, (right, left, out))

    def roles(self, order: str) -> tuple[str, str, str, str] | None:
        """Axes of both in `order`, the one of the left and of the right alone, the one summed."""
        left, right, out = self.names
        mine = [c for c in left if c not in right]
        theirs = [c for c in right if c not in left]
        summed = [c for c in left if c in right and c not in out]
        if not len(mine) == len(theirs) == len(summed) == 1 or set(out) - set(left + right):
            return None
        batch = "".join(c for c in order if c in left and c in right and c in out)
        return batch, mine[0], theirs[0], summed[0]


@plugin.register_pass
@dataclass(frozen=True)
class RaiseAttention(Pass):
    """Find a softmax between two products of activations: attention.

    `matmul(softmax(matmul(q, k')), v)`, or the same by `einsum`, with nothing but movement of the
    other axes in between, is `gmn.attend(q, k, v)`. Scales, masks and dropout were left out
    before, by `forget-functions`.

    Before::

        program "attention" {
          %q = input "q" : f32[2, 5, 4]
          %k = input "k" : f32[2, 5, 4]
          %v = input "v" : f32[2, 5, 4]
          %0 = aten.permute.default(%k, [0, 2, 1]) : f32[2, 4, 5]
          %1 = aten.matmul.default(%q, %0) : f32[2, 5, 5]
          %2 = aten.softmax.int(%1, 2) : f32[2, 5, 5]
          %3 = aten.matmul.default(%2, %v) : f32[2, 5, 4]
          return %3
        }

    After::

        program "attention" {
          %q = input "q" : f32[2, 5, 4]
          %k = input "k" : f32[2, 5, 4]
          %v = input "v" : f32[2, 5, 4]
          %0 = gmn.attend(%q, %k, %v) : f32[2, 5, 4]
          return %0
        }
    """

    name: ClassVar[str] = "raise-attention"
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset({"canonicalise"})

    def apply(self, ir: Program) -> PassResult:
        """Replace the second product of each attention."""
        program = ir.copy()
        known = Upstream.of(program)
        changed = False
        for node in list(program.graph.nodes):
            new = _attention(node, known) if node.op == "call_function" else None
            if new is not None:
                known.like(new, node)
                replace(node, new)
                changed = True
        if not changed:
            return PassResult(ir, False)
        erase_dead(program)
        return PassResult(program, True)


def _attention(node: fx.Node, known: Upstream) -> fx.Node | None:
    """What stands for `node`, if it contracts the weights of attention with the values."""
    outer = _product(node, known)
    for values in () if outer is None else (outer, outer.swapped):
        scores = _scores(values.left)
        inner = None if scores is None else _product(scores, known)
        for product in () if inner is None else (inner, inner.swapped):
            new = _emitted(node, product, values)
            if new is not None:
                return new
    return None


def _scores(x: fx.Node) -> fx.Node | None:
    """What a softmax over the last axis was taken of, with movement of the other axes only."""
    seen = False
    while x.op == "call_function":
        source = x.args[0] if x.args else None
        if x.target in _SOFTMAX and not seen and isinstance(source, fx.Node):
            rank = len(shape_of(x))
            if int(x.args[1]) % rank != rank - 1:  # type: ignore[arg-type]
                return None
            seen = True
        elif not (x.target in _BETWEEN and _same_ends(x)):
            return x if seen else None
        x = source  # type: ignore[assignment]
    return None


def _same_ends(x: fx.Node) -> bool:
    """Whether a movement leaves the last two axes alone, and repeats nothing."""
    source = x.args[0]
    assert isinstance(source, fx.Node)
    before, after = shape_of(source), shape_of(x)
    return before[-2:] == after[-2:] and source.meta["val"].numel() == x.meta["val"].numel()


def _product(node: fx.Node, known: Upstream) -> _Product | None:
    """`node` as a contraction of two activations."""
    names: tuple[str, str, str] | None = None
    operands: Any = ()
    if node.target is aten.matmul.default:
        operands = node.args
        names = _matmul_names(*(len(shape_of(x)) for x in operands))
    elif node.target is aten.einsum.default and len(node.args[1]) == 2:  # type: ignore[arg-type]
        operands = node.args[1]
        names = _einsum_names(str(node.args[0]))
    if names is None or not all(x in known.bits for x in operands):
        return None
    return _Product(operands[0], operands[1], names)


def _matmul_names(left: int, right: int) -> tuple[str, str, str] | None:
    batch = "abcdefgh"[: max(left, right) - 2]
    if min(left, right) < 2 or left != right:
        return None
    return batch + "mz", batch + "zn", batch + "mn"


def _einsum_names(equation: str) -> tuple[str, str, str] | None:
    operands, arrow, out = equation.replace(" ", "").partition("->")
    left, comma, right = operands.partition(",")
    repeated = any(len(set(names)) < len(names) for names in (left, right, out))
    return None if not arrow or not comma or "." in equation or repeated else (left, right, out)


def _emitted(node: fx.Node, inner: _Product, outer: _Product) -> fx.Node | None:
    """`gmn.attend` on operands whose last axes are (tokens, units), and its result laid out."""
    scores, values = inner.roles(inner.names[2]), outer.roles(outer.names[0])
    if scores is None or values is None:
        return None
    batch, rows, keys, units = scores
    lead, tokens, width, read = values
    if inner.names[2][-2:] != rows + keys or outer.names[0][-2:] != tokens + read:
        return None
    query = _laid(node, inner.left, inner.names[0], batch + rows + units)
    key = _laid(node, inner.right, inner.names[1], batch + keys + units)
    value = _laid(node, outer.right, outer.names[1], lead + read + width)
    if shape_of(outer.left)[:-2] != shape_of(value)[:-2] and len(batch) != len(lead):
        return None
    if len(batch) != len(lead):  # the heads were folded into the batch in between, or taken out
        query, key = (_refolded(node, x, shape_of(value)[:-2]) for x in (query, key))
    new = emit(node.graph, ops.attend, (query, key, value), like=node)
    return _laid(node, new, lead + tokens + width, outer.names[2])


def _laid(node: fx.Node, x: fx.Node, have: str, want: str) -> fx.Node:
    """`x`, whose axes are called `have`, with its axes in the order `want`."""
    order = [have.index(c) for c in want]
    if x.target is aten.permute.default:  # two permutations are one
        before: Any = x.args[1]
        order, x = [before[i] for i in order], x.args[0]  # type: ignore[assignment]
    if order == sorted(order):
        return x
    return emit(node.graph, aten.permute.default, (x, order), like=node)


def _refolded(node: fx.Node, x: fx.Node, lead: list[int]) -> fx.Node:
    sizes = [*lead, *shape_of(x)[-2:]]
    return emit(node.graph, aten.reshape.default, (x, sizes), like=node)
