"""Program -> raw parameter graph: run the program on neuron ids, op by op."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, fx

from gmn_fx.errors import AuthorError, GmnError, InternalError, UnsupportedOpError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import PARALLEL, Equality, ParameterGraph, Slot
from gmn_fx.ir.program import Program
from gmn_fx.lowering.axes import full, varying
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.choice import plain
from gmn_fx.lowering.fold import fold_constant
from gmn_fx.lowering.movement import const, settle
from gmn_fx.lowering.reduce import opaque
from gmn_fx.lowering.selected import call, united
from gmn_fx.lowering.store import index_map
from gmn_fx.lowering.values import Act, Const, Par, Value, blank

# Established where functions and static attributes are no part of the graph (paper style).
NO_HISTORIES = "no-histories"


class RuleTable(Protocol):
    """What `build` needs of a registry."""

    def find(self, node: fx.Node) -> Any:
        """The rule for `node`, or None. The rule has `.fn`."""


def build(
    program: Program,
    rules: RuleTable,
    on_unsupported: str = "error",
    *,
    explain: Callable[[Sequence[fx.Node]], str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ParameterGraph:
    """Lower `program` to a raw parameter graph (equalities not yet solved).

    on_unsupported: "error" collects every op without a rule and raises `UnsupportedOpError` once;
    "opaque" keeps such an op as one conservative node joined to all that it reads.
    explain: text for the error (the registry's).
    """
    slots = slots_of(program)
    buffers = frozenset(x.name for x in program.bindings.values() if x.kind == "buffer")
    b = Builder(slots, buffers)
    b.store.silent = NO_HISTORIES in program.established
    env = _bind(b, program, slots)
    nodes = [n for n in program.graph.nodes if n.op == "call_function"]
    missing = [n for n in nodes if rules.find(n) is None and not _foldable(n, env)]
    missing = [n for n in missing if not _only_constants(n, env, nodes)]
    if missing and on_unsupported != "opaque":
        text = explain(missing) if explain else "\n".join(f"  {n.target}" for n in missing)
        raise UnsupportedOpError(text)
    left = {n: len(n.users) for n in program.graph.nodes}
    for number, node in enumerate(nodes):
        if progress is not None:
            progress(number, len(nodes))
        b.node = node
        env[node] = _lower(b, node, env, rules)
        _forget(node, env, left)
    b.node = None
    _finish_outputs(b, program, env)
    return _raw_graph(b, program, slots)


def _forget(node: fx.Node, env: dict[fx.Node, Any], left: dict[fx.Node, int]) -> None:
    """Drop the values that `node` was the last to read: id tensors of tokens are large."""
    for operand in node.all_input_nodes:
        left[operand] -= 1
        if not left[operand]:
            env.pop(operand, None)


def slots_of(program: Program) -> tuple[Slot, ...]:
    """The state_dict entries in order, with their offsets in the flat parameter vector."""
    slots, offset = [], 0
    for node in program.graph.nodes:
        binding = program.bindings.get(node.name) if node.op == "placeholder" else None
        if binding is None or binding.kind not in ("param", "buffer"):
            continue
        val = node.meta["val"]
        slots.append(
            Slot(
                binding.name,
                tuple(val.shape),
                val.dtype,
                offset,
                binding.trainable,
                binding.aliases,
                reason=binding.reason,
            )
        )
        offset += val.numel()
    return tuple(slots)


def _bind(b: Builder, program: Program, slots: Sequence[Slot]) -> dict[fx.Node, Any]:
    by_name = {s.name: s for s in slots}
    env: dict[fx.Node, Any] = {}
    for node in program.graph.nodes:
        if node.op != "placeholder":
            continue
        binding = program.bindings[node.name]
        b.node = node
        val = node.meta["val"]
        value = program.constants.get(node.name)
        if binding.kind == "input":
            b.input_names[node.name] = binding.name
            env[node] = blank(tuple(val.shape), node.name) if isinstance(val, Tensor) else val
        elif binding.kind == "constant" or not _carried(val):
            if value is not None and value.device.type != "meta":
                env[node] = const(b, value)
            else:
                env[node] = Const(tuple(val.shape), None, node.name, val.dtype)
        else:
            meta = torch.empty(tuple(val.shape), device="meta")
            shape = tuple(val.shape)
            env[node] = Par(shape, meta, by_name[binding.name].offset, full(0, shape))
    return env


def _carried(val: Tensor) -> bool:
    """Integer and bool buffers are part of the architecture (index tables), not parameters."""
    return val.dtype.is_floating_point or val.dtype.is_complex


def _values(node: fx.Node, env: dict[fx.Node, Any]) -> list[Any]:
    return [env[a] for a in node.all_input_nodes if a in env]


def _foldable(node: fx.Node, env: dict[fx.Node, Any]) -> bool:
    return all(isinstance(v, Const) for v in _values(node, env)) and all(
        a in env for a in node.all_input_nodes
    )


def _only_constants(node: fx.Node, env: dict[fx.Node, Any], nodes: Sequence[fx.Node]) -> bool:
    """Whether the node is computed from constants alone (then it is folded, no rule needed)."""
    seen: set[fx.Node] = set()
    stack = [node]
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if current in env and not isinstance(env[current], Const):
            return False
        stack.extend(current.all_input_nodes)
    return True


def _lower(b: Builder, node: fx.Node, env: dict[fx.Node, Any], rules: RuleTable) -> Any:
    args = fx.map_arg(node.args, lambda n: env[n])
    kwargs = fx.map_arg(node.kwargs, lambda n: env[n])
    if _foldable(node, env):
        return fold_constant(b, node, args, kwargs)
    rule = rules.find(node)
    try:
        if rule is None:
            return call(b, partial(_as_opaque, node=node), args, kwargs)
        leaf = node.meta.get("leaf")
        if leaf is None:
            return call(b, rule.fn, args, kwargs)
        leafed = partial(_lower_leaf, rule=rule, leaf=leaf)
        leafed.reads_choices = getattr(rule.fn, "reads_choices", False)  # type: ignore[attr-defined]
        return call(b, leafed, args, kwargs)
    except GmnError:
        raise
    except Exception as error:
        raise _rule_failed(b, node, rule, error) from error


def _spelled(node: fx.Node) -> str:
    return str(getattr(node.target, "__qualname__", node.target))


def _rule_failed(b: Builder, node: fx.Node, rule: Any, error: Exception) -> GmnError:
    """Whose bug it is: a third party's rule is its author's, a shipped one is ours."""
    owner = str(getattr(rule, "owner", "") or "gmn-fx")
    kind = InternalError if owner == "gmn-fx" else AuthorError
    return kind(
        f"the lowering rule of {owner} for {_spelled(node)} failed at module {b.name or '(root)'!r}"
        f" {node.meta.get('source', '')}: {type(error).__name__}: {error}",
        hint=f"this is a bug in the rule; please report it to {owner}",
    )


def _lower_leaf(b: Builder, *args: Any, rule: Any, leaf: dict[str, Any], **kwargs: Any) -> Any:
    """A module or function of the user's: parameters by name, then the call's own arguments."""
    params = leaf["params"]
    rest = args[1:]
    b.leaf_params = {name: rest[position] for name, position in params.items()}
    call = rest[len(params) :]
    try:
        if leaf.get("module") is not None:
            return rule.fn(b, leaf["module"], *call, **kwargs)
        return rule.fn(b, *call, **kwargs)
    finally:
        b.leaf_params = {}


def _as_opaque(b: Builder, *args: Any, node: fx.Node, **kwargs: Any) -> Any:
    found: list[Value] = []

    def collect(item: Any) -> None:
        if isinstance(item, (Act, Par)):
            found.append(item)
        elif isinstance(item, (list, tuple)):
            for part in item:
                collect(part)

    collect(list(args) + list(kwargs.values()))
    outs = opaque(b, [b.as_act(v) for v in found], b.shapes, str(node.target))
    return outs if isinstance(node.meta["val"], (tuple, list)) else outs[0]


def _finish_outputs(b: Builder, program: Program, env: dict[fx.Node, Any]) -> None:
    """Outputs are pinned; what happened to them last goes onto edges into nodes of their own."""
    for node in program.output_nodes:
        b.node = node
        value = united(b, env[node])
        if isinstance(value, Const):
            continue
        x = b.canonical(b.as_act(plain(b, value)))
        if not x.factors:
            continue
        if bool((x.hist != 0).any()) if varying(x.hist) else int(x.hist.reshape(-1)[0]) != 0:
            x = settle(b, x, "output", kind="neuron")
        for f in x.factors:
            b.pin(f)


def _renumbered(histories: Sequence[str]) -> tuple[str, ...]:
    """Constants numbered as they first stand in a history.

    How many others were computed on the way may depend on the size of the example.
    """
    order: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return order.setdefault(found.group(), f"#{len(order)}")

    return tuple(re.sub(r"#\d+", number, text) for text in histories)


def _raw_graph(b: Builder, program: Program, slots: tuple[Slot, ...]) -> ParameterGraph:
    roots = b.store.sets.roots()
    equalities: tuple[Equality, ...] = ()
    joined = np.nonzero(roots != np.arange(len(roots)))[0]
    if len(joined):
        left, right = IndexMap.from_array(joined), IndexMap.from_array(roots[joined])
        equalities = (Equality(left, right, "weight sharing"),)
    for ends in b.store.joins:
        left, right = (index_map(t.reshape(-1)) for t in torch.broadcast_tensors(*ends))
        equalities += (Equality(left, right, PARALLEL),)
    left_out = b.store.left_out
    return ParameterGraph(
        name=program.name,
        slots=tuple(replace(s, reason=left_out.get(s.offset, s.reason)) for s in slots),
        groups=b.store.frozen_groups(),
        bundles=tuple(b.store.bundles),
        histories=_renumbered(b.store.histories),
        equalities=equalities,
        notes=program.notes,
        meta={"capture": program.rung},
        established=program.established,
    )
