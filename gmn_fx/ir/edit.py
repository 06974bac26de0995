"""Small tools for changing an `fx.Graph` in a pass: emit, replace, erase."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx

from gmn_fx.ir.program import Program

CONTEXT = ("module", "module_class", "source")


def value(arg: Any) -> Any:
    """`arg` with every `fx.Node` replaced by its `meta["val"]`."""
    return fx.node.map_arg(arg, lambda node: node.meta["val"])


def context(like: fx.Node | None) -> dict[str, Any]:
    """The part of a node's metadata that says where in the model it is."""
    source = {} if like is None else like.meta
    return {key: source.get(key, "") for key in CONTEXT}


def infer(target: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What `target` returns on the meta values of its arguments."""
    with torch.no_grad():
        return target(*value(tuple(args)), **value(dict(kwargs)))


def emit(
    graph: fx.Graph,
    target: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    like: fx.Node,
    after: bool = False,
    val: Any = None,
) -> fx.Node:
    """Insert `target(*args, **kwargs)` before (or after) `like`.

    `meta["val"]` is computed by running `target` on the meta values of the arguments (unless
    `val` is given); the module path and source line are those of `like`.
    """
    kwargs = dict(kwargs or {})
    val = infer(target, args, kwargs) if val is None else val
    with graph.inserting_after(like) if after else graph.inserting_before(like):
        node = graph.call_function(target, tuple(args), kwargs)
    node.meta = {"val": val, **context(like)}
    return node


def replace(node: fx.Node, new: fx.Node) -> None:
    """Let every user of `node` read `new`, and erase `node`."""
    node.replace_all_uses_with(new, delete_user_cb=lambda user: user is not new)
    node.graph.erase_node(node)


def replace_result(node: fx.Node, index: int, new: fx.Node) -> None:
    """Let every reader of `node[index]` (a multi-result node) read `new`."""
    for user in result_users(node, index):
        replace(user, new)


def result_users(node: fx.Node, index: int | None = None) -> list[fx.Node]:
    """The `operator.getitem` nodes that read result `index` (any result if None) of `node`."""
    users = [u for u in node.users if u.target is operator.getitem and u.args[0] is node]
    return users if index is None else [u for u in users if u.args[1] == index]


def erase_dead(program: Program) -> int:
    """Erase every node that no output depends on, placeholders apart; how many were erased.

    Captured programs are functional, so also ops that fx calls impure (assertions, random
    numbers) may go.
    """
    erased = 0
    for node in reversed(list(program.graph.nodes)):
        if node.op not in ("placeholder", "output") and not node.users:
            program.graph.erase_node(node)
            erased += 1
    return erased


def shape_of(node: fx.Node) -> list[int]:
    """Shape of the tensor that `node` makes."""
    return [int(n) for n in node.meta["val"].shape]


def arguments(node: fx.Node) -> dict[str, Any]:
    """All arguments of an ATen node by schema name, schema defaults filled in."""
    return bind_arguments(node.target, node.args, node.kwargs)


def bind_arguments(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a call of an ATen overload by schema name, schema defaults filled in."""
    bound: dict[str, Any] = {}
    for position, arg in enumerate(target._schema.arguments):
        if position < len(args) and not arg.kwarg_only:
            bound[arg.name] = args[position]
        elif arg.name in kwargs:
            bound[arg.name] = kwargs[arg.name]
        elif arg.has_default_value():
            bound[arg.name] = arg.default_value
    return bound
