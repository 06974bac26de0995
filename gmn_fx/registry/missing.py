"""The text about nodes that no rule covers: where, what was looked up, what to write."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import fx, nn

from gmn_fx.ir.spelling import target_text
from gmn_fx.registry.keys import keys_of, spell

if TYPE_CHECKING:
    from gmn_fx.registry.rules import Rules

_PLACES = 4


def describe_missing(nodes: Iterable[fx.Node], rules: Rules | None = None) -> str:
    """One paragraph for each kind of node among `nodes` that has no lowering rule.

    Args:
        nodes: the nodes without a rule, of the whole model.
        rules: where was looked; its keys give the near names.
    """
    groups: dict[tuple[str, ...], list[fx.Node]] = {}
    for node in nodes:
        groups.setdefault(tuple(spell(key) for key in keys_of(node)), []).append(node)
    total = sum(len(group) for group in groups.values())
    head = "1 node has no lowering rule" if total == 1 else f"{total} nodes have no lowering rule"
    known = {spell(key) for key in rules.keys} if rules is not None else set()
    parts = [_paragraph(names, group, known, rules) for names, group in groups.items()]
    return "\n".join([head, *parts])


def _paragraph(
    names: tuple[str, ...], nodes: list[fx.Node], known: set[str], rules: Rules | None
) -> str:
    lines = [f"  {_where(node)}" for node in nodes[:_PLACES]]
    if len(nodes) > _PLACES:
        lines.append(f"  and {len(nodes) - _PLACES} more of the same")
    lines.append(f"    looked up   {', '.join(names) or 'nothing: it is not a function call'}")
    lines += [f"    but         {reason}" for reason in _refusals(nodes[0], rules)]
    near = _near(names, known)
    if near:
        lines.append(f"    near names  {', '.join(near)}")
    if names:
        lines.append(f"    to add one  @plugin.lowering({names[0]})")
        lines.append(f"                {_signature(nodes[0])}")
    lines.append("    or          --on-unsupported opaque  (one node set joined to all it reads)")
    return "\n".join(lines)


def _where(node: fx.Node) -> str:
    module = node.meta.get("module") or "(top level)"
    cls = str(node.meta.get("module_class") or "").rpartition(".")[2]
    source = node.meta.get("source") or "unknown line"
    what = target_text(node.target)
    leaf = node.meta.get("leaf")
    if leaf is not None:
        what = f"leaf {leaf.get('key')}"
    return f"{module}{f' ({cls})' if cls else ''} : {what}  {source}"


def _refusals(node: fx.Node, rules: Rules | None) -> list[str]:
    """Why the rules that exist on the node's keys did not apply."""
    if rules is None:
        return []
    return [
        f"the guard {getattr(rule.when, '__name__', rule.when)} of {rule.owner}'s rule on "
        f"{spell(key)} said no"
        for key in keys_of(node)
        for rule in rules.table.get(key, ())
        if rule.when is not None
    ]


def _near(names: tuple[str, ...], known: set[str]) -> list[str]:
    short = {name.removeprefix("torch.ops."): name for name in sorted(known - set(names))}
    found: list[str] = []
    for name in names:
        for match in difflib.get_close_matches(name.removeprefix("torch.ops."), short, 3, 0.75):
            if short[match] not in found:
                found.append(short[match])
    return found[:3]


def _signature(node: fx.Node) -> str:
    """The first line of the function to write, with the arguments that it will get."""
    leaf = node.meta.get("leaf")
    count, params = len(node.args), 0
    if leaf is not None:
        params = 1 + len(leaf.get("params") or {})
    module = ["module"] if leaf is not None and isinstance(leaf.get("module"), nn.Module) else []
    args = ["b", *module, *(f"x{i}" for i in range(count - params)), *node.kwargs]
    return f"def lower(b, {', '.join(args[1:])}): ...  # in your model.py or plug-in package"
