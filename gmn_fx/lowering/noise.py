"""Tensors drawn at random inside `forward`: dropout masks, noise that is added to data.

Each element is drawn for itself, all by one law. So a draw carries no identity of its position:
meeting it is the same step for every unit, as long as no two units share a draw. What shares draws
in part (a mask for each head, repeated for its units) stays a constant that nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, fx

from gmn_fx.lowering.axes import compress, core, varying
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.values import Act, Const, Par

aten = torch.ops.aten
# Laws with fixed numbers for parameters; every element of the result is a draw of its own.
LAWS = frozenset({
    "rand", "rand_like", "randn", "randn_like", "uniform", "normal", "normal_functional",
    "exponential", "log_normal", "cauchy", "geometric", "bernoulli",
})  # fmt: skip
_MOVES = frozenset({
    "reshape", "view", "_unsafe_view", "permute", "transpose", "t", "expand", "unsqueeze",
    "squeeze", "slice", "select", "flatten", "unflatten",
})  # fmt: skip
_COPIES = frozenset({"_to_copy", "clone", "contiguous", "detach", "alias"})
_LARGEST = 10_000_000  # elements whose draws are numbered one by one


def is_random(node: fx.Node) -> bool:
    """Whether the op draws random numbers."""
    target = node.target
    return (
        isinstance(target, torch._ops.OpOverload)
        and torch.Tag.nondeterministic_seeded in target.tags
    )


def drawn(b: Builder, node: fx.Node, args: Sequence[Any] = ()) -> Const:
    """The constant that `node` draws; nobody knows its value.

    args: its operands where they are constants: one number everywhere is a law for all elements.
    """
    val = node.meta["val"]
    out = Const(tuple(val.shape), None, b.root(), val.dtype)
    name = _name(node)
    laws = [a for a in args if isinstance(a, Const)] if _law_of_operands(node) else []
    if (
        name not in LAWS
        or (_law_of_operands(node) and not laws)
        or not all(a.uniform for a in laws)
    ):
        return out
    numbers = ",".join(
        [*(a.uniform for a in laws), *(repr(a) for a in node.args if isinstance(a, float))]
    )
    text = f"{name}({numbers})" if numbers else name
    if not _private(node):
        text += f" #{b.const_keys.setdefault(('draw', b.root()), len(b.const_keys))}"
    return replace(out, noise=text)


def derived(b: Builder, node: fx.Node, args: Sequence[Any], kwargs: dict[str, Any]) -> Const | None:
    """What is computed from draws, if its elements are draws themselves; None if they are not."""
    val = node.meta["val"]
    if not isinstance(val, Tensor) or any(isinstance(a, (list, tuple)) and _has_const(a)
                                          for a in (*args, *kwargs.values())):  # fmt: skip
        return None
    name, noises = _name(node), [a for a in args if isinstance(a, Const) and a.noise]
    if len(noises) < sum(isinstance(a, Const) and bool(a.noise) for a in kwargs.values()) + 1:
        return None
    if name in _MOVES:
        draws = _moved(node, args, kwargs)
        text = noises[0].noise
    elif name in _COPIES or torch.Tag.pointwise in node.target.tags:  # type: ignore[union-attr]
        draws = _meeting(args, tuple(val.shape))
        text = noises[0].noise if name in _COPIES else _spelled(name, args)
    else:
        return None
    if draws is None:
        return None
    return Const(tuple(val.shape), None, b.root(), val.dtype, text, draws)


def met(c: Const, x: Act | Par) -> Const:
    """`c` as it meets `x`: no noise any more where some units of `x` share a draw, but not all."""
    if not c.noise:
        return c
    lead = len(x.shape) - len(c.shape)
    own = {a + lead for a in _spread(c)}
    tensors = x.factors if isinstance(x, Act) else (x.slots,)
    areas = [set(varying(t)) for t in tensors]
    alike = all(not area & own or area <= own for area in areas)
    return c if alike else replace(c, noise="", draws=None)


def _law_of_operands(node: fx.Node) -> bool:
    """Whether tensors say by which law each element is drawn."""
    overload = node.target._overloadname  # type: ignore[union-attr]
    return "Tensor" in overload or (_name(node) == "bernoulli" and overload != "p")


def _private(node: fx.Node) -> bool:
    """Whether the draws are met in one place only, or in one step after the other."""
    made, readers = {node}, []
    for user in _after(node):
        if not made.intersection(user.all_input_nodes):
            continue
        if user.op == "call_function" and made.issuperset(user.all_input_nodes):
            made.add(user)
        else:
            readers.append(user)
    return all(list(first.users) == [then] for first, then in pairwise(readers))


def _after(node: fx.Node) -> list[fx.Node]:
    found, at = [], node.next
    while at.op != "root":
        found.append(at)
        at = at.next
    return found


def _name(node: fx.Node) -> str:
    return str(node.target._schema.name).removeprefix("aten::")  # type: ignore[union-attr]


def _has_const(items: Any) -> bool:
    return any(isinstance(i, Const) for i in items)


def _spread(c: Const) -> set[int]:
    """Axes along which the draws differ."""
    if c.draws is not None:
        return set(varying(c.draws))
    return {a for a, n in enumerate(c.shape) if n > 1}


def _explicit(c: Const) -> Tensor | None:
    if c.draws is not None:
        return c.draws
    count = 1
    for n in c.shape:
        count *= n
    return torch.arange(count).reshape(c.shape) if count <= _LARGEST else None


def _moved(node: fx.Node, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """The draws after a movement; None where one draw then stands at several places of its own."""
    source, *rest = args
    draws = _explicit(source) if isinstance(source, Const) else None
    if draws is None or _has_const(rest) or _has_const(kwargs.values()):
        return None
    moved = compress(node.target(draws, *rest, **kwargs))  # type: ignore[operator]
    seen = core(moved)
    return moved if len(torch.unique(seen)) == seen.numel() else None


def _meeting(args: Sequence[Any], shape: tuple[int, ...]) -> Tensor | None:
    """The draws of a function of draws, element by element."""
    consts = [a for a in args if isinstance(a, Const)]
    noises = [c for c in consts if c.noise]
    if any(not c.noise and not c.uniform for c in consts):
        return None
    draws = [_explicit(c) for c in noises]
    first = draws[0]
    if first is None or any(d is None for d in draws):
        return None
    wide = compress(first.expand(shape))
    same = all(varying(compress(d.expand(shape))) == varying(wide) for d in draws if d is not None)
    return wide if same else None


def _spelled(name: str, args: Sequence[Any]) -> str:
    def show(a: Any) -> str:
        return (a.noise or a.uniform) if isinstance(a, Const) else repr(a)

    return f"{name}({','.join(show(a) for a in args)})"
