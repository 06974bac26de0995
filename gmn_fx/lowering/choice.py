"""Indices that name neurons: what `topk` over experts returns, until it is used.

An index along an axis of neurons is not data like any other: exchange two of those neurons and the
index changes with them. So it remembers among which neurons it chooses. Rules that know about it
(`one_hot`, `gather`, `scatter`, `==`) ask for `members`, a node for each candidate ("is it
chosen?"), and all candidates stay exchangeable. For any other rule they are pinned (`plain`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from torch import Tensor

from gmn_fx.lowering.axes import cut, varying
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.reduce import along, reduce
from gmn_fx.lowering.values import Act, Choice

F = TypeVar("F", bound=Callable[..., Any])


def reads_choices(rule: F) -> F:
    """Mark a lowering rule that knows what to do with an index that names neurons."""
    rule.reads_choices = True  # type: ignore[attr-defined]
    return rule


def plain(b: Builder, value: Any) -> Any:
    """`value` for a rule that takes an index as data: the neurons that it may name are pinned."""
    if isinstance(value, dict):
        return {k: plain(b, v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([plain(b, v) for v in value])
    if not isinstance(value, Act):
        return value
    named = [value.choice]
    if value.order is not None and value.order.role != "counts":
        named.append(value.order.choice)
    for choice in dict.fromkeys(named):
        for factor in () if choice is None else choice.source.on(choice.dim):
            b.pin(factor)
    return replace(value, choice=None, order=None)


def choose(b: Builder, x: Act, dim: int, op: str, *, keepdim: bool = True) -> tuple[Act, Act]:
    """The best of the neurons along `dim` by `op`: (what was found, where), one entry each.

    The caller repeats both along `dim` where the op returns several.
    """
    x = b.canonical(x)
    dim %= max(x.dim, 1)
    found = reduce(b, x, [dim], op, keepdim=keepdim)
    where = b.step(found, "index of")
    if not x.dim or not x.on(dim):
        return found, where
    alone = varying(x.on(dim)[0]) == {dim} and varying(x.hist) <= {dim}
    return found, replace(where, choice=Choice(x, dim, op, alone and len(x.factors) == 1))


def members(b: Builder, index: Act) -> Tensor | None:
    """Ids of the nodes "is it chosen?", one a candidate; None if `index` names no neurons."""
    return members_of(b, index.choice) if index.choice is not None and index.choice.alone else None


def members_of(b: Builder, choice: Choice) -> Tensor:
    """`members` of a choice."""
    if choice not in b.members:
        chosen = along(b, choice.source, [choice.dim], f"{choice.op} member")
        b.members[choice] = cut(chosen.on(choice.dim)[0], {choice.dim}).reshape(-1)
    return b.members[choice]


def tested(b: Builder, mask: Act) -> tuple[Choice, int] | None:
    """(choice, node "is it chosen?") of a mask `index == number` that nothing was done to."""
    if len(mask.factors) != 1 or varying(mask.factors[0]) or varying(mask.hist):
        return None
    if b.store.histories[int(mask.hist.reshape(-1)[0])].rpartition(" > ")[2] != "eq":
        return None
    node = int(mask.factors[0].reshape(-1)[0])
    found = (choice for choice, ids in b.members.items() if bool((ids == node).any()))
    choice = next(found, None)
    return None if choice is None else (choice, node)
