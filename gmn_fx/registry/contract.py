"""What the manager demands of a pass: its place in the order, its result, its honesty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import fx

from gmn_fx.errors import PassError, UsageError
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.ir.program import Program
from gmn_fx.ir.text import print_program
from gmn_fx.registry.build import Build
from gmn_fx.registry.passes import IR, Pass, PassResult
from gmn_fx.registry.registry import Registry


def properties_after(p: Pass) -> frozenset[str]:
    """What holds after `p`: what it establishes, and its own name."""
    return p.establishes | {p.name}


def check_order(ir: IR, passes: Sequence[Pass], registry: Registry) -> None:
    """Refuse an order that does not hold, before any pass runs."""
    established = set(ir.established)
    level = "program" if isinstance(ir, Program) else "graph"
    for index, p in enumerate(passes):
        if p.level != level:
            _wrong_level(p, level, passes[:index])
        missing = sorted(p.requires - established)
        if missing:
            raise UsageError(
                f"pass {p.name!r} cannot stand here: it requires "
                + " and ".join(_establishers(name, registry) for name in missing),
                hint=_order_hint(missing, passes[index + 1 :], p, passes[:index]),
            )
        established |= properties_after(p)
        if isinstance(p, Build):
            level = "graph"


def _wrong_level(p: Pass, level: str, before: Sequence[Pass]) -> None:
    last = f" after {before[-1].name!r}" if before else ""
    raise UsageError(
        f"pass {p.name!r} works on a {p.level}, but{last} there is a {level}",
        hint="program passes come first, then `build` (once; it is added where it is missing), "
        "then graph passes",
    )


def _establishers(name: str, registry: Registry) -> str:
    who = sorted(
        cls.name for cls in registry.passes.values() if name in cls.establishes | {cls.name}
    )
    if who == [name]:
        return f"the pass {name!r} before it"
    if who:
        return f"{name!r}, which is established by {' or '.join(repr(w) for w in who)}"
    return f"{name!r}, which no known pass establishes"


def _order_hint(
    missing: Iterable[str], later: Sequence[Pass], p: Pass, before: Sequence[Pass]
) -> str:
    late = [q.name for q in later if properties_after(q) & set(missing)]
    if late:
        return f"move {', '.join(late)} before {p.name}"
    ran = ", ".join(q.name for q in before) or "none"
    return f"passes before it: {ran}"


def check_result(result: Any, p: Pass, owner: str) -> PassResult:
    """The result of `p`, if it is one of the right kind."""
    if not isinstance(result, PassResult):
        raise PassError(
            f"pass {p.name!r} of {owner} returned {type(result).__name__}, not a PassResult",
            hint="end apply with: return PassResult(ir, changed=...)",
        )
    wanted = Program if p.level == "program" and not isinstance(p, Build) else ParameterGraph
    if not isinstance(result.ir, wanted):
        raise PassError(
            f"pass {p.name!r} of {owner} returned a {type(result.ir).__name__} "
            f"where a {wanted.__name__} was due"
        )
    return result


class Snapshot:
    """What an IR looked like, to tell whether a pass changed it in place.

    Nothing is printed or copied deeply: nodes keep their arguments in immutable containers, and
    the fields of a graph are tuples, so holding on to these is enough.
    """

    def __init__(self, ir: IR) -> None:
        self._ir = ir
        self._parts = _parts(ir)

    def check(self, result: PassResult, p: Pass, owner: str) -> None:
        """Refuse a pass that changed its input, or that says "unchanged" of what it changed."""
        if not _same(self._parts, _parts(self._ir)):
            raise PassError(
                f"pass {p.name!r} of {owner} changed the {p.level} that it was given",
                hint="a pass works on a copy: program = program.copy(), or dataclasses.replace",
            )
        if not result.changed and result.ir is not self._ir and differ(self._ir, result.ir):
            raise PassError(
                f"pass {p.name!r} of {owner} says that it changed nothing, but it did",
                hint="return PassResult(ir, changed=True) whenever the result differs",
            )


def differ(left: IR, right: IR) -> bool:
    """Whether two IRs say something different (what is established apart)."""
    if isinstance(left, Program) and isinstance(right, Program):
        texts = [print_program(replace(ir, established=frozenset())) for ir in (left, right)]
        return texts[0] != texts[1] or not _same(left.constants, right.constants)
    return not _same(_parts(left), _parts(right))


def _parts(ir: IR) -> tuple[Any, ...]:
    parts: list[Any] = []
    for f in fields(ir):
        value = getattr(ir, f.name)
        if f.name == "graph":
            parts.append(value)
            parts += [_node_parts(node) for node in value.nodes]
        elif f.name != "established":
            parts.append(dict(value) if isinstance(value, Mapping) else value)
    return tuple(parts)


def _node_parts(node: fx.Node) -> tuple[Any, ...]:
    return node, node.name, node.op, node.target, node.args, node.kwargs, _Meta(node.meta)


class _Meta(dict[str, Any]):
    """A copy of a node's metadata, compared by the identity of what it holds."""

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Meta)
            and self.keys() == other.keys()
            and all(self[key] is other[key] for key in self)
        )

    __hash__ = None  # type: ignore[assignment]


def _same(left: Any, right: Any) -> bool:
    """Equality in which tensors are equal if they are one object, or of equal content."""
    if left is right:
        return True
    if isinstance(left, torch.Tensor) or isinstance(right, torch.Tensor):
        both = isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor)
        return both and not left.is_meta and not right.is_meta and torch.equal(left, right)
    if isinstance(left, _Meta):
        return bool(left == right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)
