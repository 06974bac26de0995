"""From any rung's exported program to a `Program`: one vocabulary, order and metadata."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx.node import map_aggregate

from gmn_fx.capture.leaves import LeafTable
from gmn_fx.capture.metadata import origin_of, qualified
from gmn_fx.capture.names import State, input_names, state_of
from gmn_fx.capture.outputs import named_outputs
from gmn_fx.capture.packed import OWN_OPS
from gmn_fx.capture.traced import Origin, Traced
from gmn_fx.capture.values import DataDependentError, meta_value, plain_argument
from gmn_fx.ir import ops
from gmn_fx.ir.program import Binding, BindingKind, Program


@dataclass
class _Draft:
    """The program under construction."""

    model: nn.Module
    traced: Traced
    table: LeafTable
    graph: fx.Graph = field(default_factory=fx.Graph)
    env: dict[str, fx.Node] = field(default_factory=dict)
    bindings: dict[str, Binding] = field(default_factory=dict)
    constants: dict[str, torch.Tensor] = field(default_factory=dict)
    single_leaves: set[str] = field(default_factory=set)


def normalise(model: nn.Module, traced: Traced, rung: str, table: LeafTable) -> Program:
    """Build the `Program` of a traced model.

    Raises:
        DataDependentError: the graph holds a size or an op that is not plain functional ATen.
    """
    draft = _Draft(model, traced, table)
    state = state_of(model)
    _place_state(draft, state)
    _place_constants(draft, state)
    _place_inputs(draft)
    user, names, notes = _user_outputs(traced)
    live = _live(user)
    for node in traced.exported.graph.nodes:
        if node.op != "placeholder" and node in live:
            draft.env[node.name] = _node(draft, node)
    draft.graph.output(tuple(draft.env[node.name] for node in user))
    _complete_sources(draft.graph)
    notes = (*traced.notes, *notes, *_mutation_notes(traced))
    return Program(
        draft.graph,
        draft.bindings,
        _live_constants(draft),
        names,
        rung=rung,
        notes=notes,
        name=type(model).__name__,
    )


def _place_state(draft: _Draft, state: State) -> None:
    """One placeholder for each state_dict tensor, in state_dict order, used or not."""
    users: dict[str, list[fx.Node]] = {}
    for spec, node in _specs(draft.traced):
        name = _model_name(draft.traced, spec.target)
        if name in state.by_name and _is_state(spec):
            users.setdefault(state.by_name[name].name, []).append(node)
    for entry in state.entries:
        kind: BindingKind = "param" if entry.is_param else "buffer"
        origin = _state_origin(draft.model, entry.name)
        node = _placeholder(draft, f"{kind[0]}_{_identifier(entry.name)}", entry.tensor, origin)
        trainable = entry.is_param and entry.tensor.requires_grad
        draft.bindings[node.name] = Binding(kind, entry.name, trainable, entry.aliases)
        if _is_table(entry.tensor):  # an index table in the state_dict: its values are structure
            draft.constants[node.name] = entry.tensor.detach().cpu().clone()
        for old in users.get(entry.name, ()):
            draft.env[old.name] = node


def _is_table(tensor: torch.Tensor) -> bool:
    numeric = tensor.dtype.is_floating_point or tensor.dtype.is_complex
    return not numeric and not _is_hollow(tensor)


def _place_constants(draft: _Draft, state: State) -> None:
    """Non-persistent buffers and literals: part of the architecture, with their values."""
    exported = draft.traced.exported
    for spec, old in _specs(draft.traced):
        if old.name in draft.env or spec.kind is InputKind.USER_INPUT:
            continue
        if spec.kind not in (InputKind.CONSTANT_TENSOR, InputKind.BUFFER, InputKind.PARAMETER):
            raise DataDependentError(f"the model takes a {spec.kind.name.lower()} as input")
        name = _model_name(draft.traced, spec.target)
        value = exported.constants.get(spec.target, exported.state_dict.get(spec.target))
        value = state.transient.get(name, value)
        readable = name.removeprefix("gm.")
        val = old.meta["val"] if value is None else value
        node = _placeholder(draft, f"c_{_identifier(readable)}", val, Origin("", "", ""))
        draft.bindings[node.name] = Binding("constant", readable)
        if value is not None and not _is_hollow(value):
            draft.constants[node.name] = value.detach().cpu()
        draft.env[old.name] = node


def _place_inputs(draft: _Draft) -> None:
    """User inputs, under the names of the model's own signature."""
    traced = draft.traced
    in_spec = traced.in_spec or traced.exported.call_spec.in_spec
    names = input_names(draft.model.forward, in_spec)
    if traced.in_spec is not None:
        names = _tensor_names(names, traced)
    user = [(s, n) for s, n in _specs(traced) if s.kind is InputKind.USER_INPUT]
    for i, (_spec, old) in enumerate(user):
        val = old.meta.get("val")
        if not isinstance(val, torch.Tensor):
            continue
        name = names[i] if i < len(names) else f"args[{i}]"
        node = _placeholder(draft, _identifier(name), val, Origin("", "", ""))
        draft.bindings[node.name] = Binding("input", name)
        draft.env[old.name] = node


def _tensor_names(names: list[str], traced: Traced) -> list[str]:
    """Names of the inputs that are tensors, when the wrapper passes on only those."""
    if traced.tensor_inputs is None:
        return names
    return [name for name, keep in zip(names, traced.tensor_inputs, strict=False) if keep]


def _node(draft: _Draft, node: fx.Node) -> fx.Node:
    """Copy one op into the new graph, with our metadata."""
    target = node.target
    if node.op != "call_function" or isinstance(target, torch._ops.HigherOrderOperator):
        raise DataDependentError(f"{target} is kept as a higher-order operator with sub-graphs")
    if target is torch.ops.gmn_fx.leaf.default:
        return _leaf(draft, node)
    target = OWN_OPS.get(target, target)
    source = node.args[0] if target is operator.getitem else None
    if isinstance(source, fx.Node) and source.name in draft.single_leaves:
        return draft.env[source.name]

    def own(value: Any) -> Any:
        return draft.env[value.name] if isinstance(value, fx.Node) else plain_argument(value, node)

    args: Any = map_aggregate(node.args, own)
    kwargs: Any = map_aggregate(node.kwargs, own)
    new = draft.graph.create_node("call_function", target, args, kwargs, name=node.name)
    _stamp(new, meta_value(node.meta.get("val"), node), _origin(draft, node))
    return new


def _leaf(draft: _Draft, node: fx.Node) -> fx.Node:
    """Rewrite the opaque op of `capture.leaves` to `ops.leaf(key, *params, *arguments)`."""
    key = str(node.args[1])
    call = draft.table.calls[key]
    tensors: Any = node.args[0]
    nodes = [draft.env[t.name] for t in tensors]
    arguments = (call.key, *nodes[: len(call.params)], *call.arguments(nodes))
    name = _identifier(call.key)
    new = draft.graph.create_node("call_function", ops.leaf, arguments, {}, name=name)
    val = tuple(meta_value(node.meta["val"], node))
    if draft.table.single[key]:
        val = val[0]
        draft.single_leaves.add(node.name)
    origin = _origin(draft, node)
    if call.module is not None:
        path = next((p for p, m in draft.model.named_modules() if m is call.module), call.key)
        origin = Origin(path, qualified(type(call.module)), origin.source, origin.torch_fn)
    _stamp(new, val, origin)
    new.meta["leaf"] = {
        "key": call.key,
        "module": call.module,
        "fn": call.fn if call.module is None else None,
        "params": {name: i for i, name in enumerate(call.params)},
    }
    return new


def _user_outputs(traced: Traced) -> tuple[list[fx.Node], tuple[str, ...], tuple[str, ...]]:
    """The user's tensor outputs without caches, their names, and what was dropped."""
    specs = traced.exported.graph_signature.output_specs
    returned = next(n for n in traced.exported.graph.nodes if n.op == "output").args[0]
    user = [
        value
        for spec, value in zip(specs, returned, strict=True)  # type: ignore[arg-type]
        if spec.kind is OutputKind.USER_OUTPUT
    ]
    kept, notes = named_outputs(traced.out_spec or traced.exported.call_spec.out_spec)
    pairs = [
        (name, value)
        for name, value in zip(kept, user, strict=True)
        if name is not None and isinstance(value, fx.Node)
    ]
    pairs = [(name, n) for name, n in pairs if isinstance(n.meta.get("val"), torch.Tensor)]
    if not pairs:
        raise DataDependentError("the model returns no tensor")
    return [n for _, n in pairs], tuple(name for name, _ in pairs), notes


def _live(outputs: list[fx.Node]) -> set[fx.Node]:
    """What the outputs depend on: not buffer updates, not run-time assertions."""
    live: set[fx.Node] = set()
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node not in live:
            live.add(node)
            stack.extend(node.all_input_nodes)
    return live


def _mutation_notes(traced: Traced) -> tuple[str, ...]:
    kinds = [s.kind for s in traced.exported.graph_signature.output_specs]
    notes = []
    if count := kinds.count(OutputKind.BUFFER_MUTATION):
        notes.append(f"forward also updates {count} buffers; the updates are not part of the graph")
    if count := kinds.count(OutputKind.USER_INPUT_MUTATION):
        notes.append(f"forward also writes to {count} inputs; the writes are not part of the graph")
    return tuple(notes)


def _origin(draft: _Draft, node: fx.Node) -> Origin:
    """What the rung's wrapper recorded, completed by torch's own metadata."""
    own = origin_of(node, draft.model, draft.traced.prefix)
    recorded = draft.traced.origin(node)
    if recorded is None:
        return own
    if not recorded.module and own.module and own.module != "gm":
        recorded = Origin(own.module, own.module_class, recorded.source, recorded.torch_fn)
    return Origin(
        recorded.module,
        recorded.module_class,
        recorded.source or own.source,
        recorded.torch_fn or own.torch_fn,
    )


def _placeholder(draft: _Draft, name: str, val: torch.Tensor, origin: Origin) -> fx.Node:
    node = draft.graph.placeholder(name)
    _stamp(node, meta_value(val, node), origin)
    return node


def _stamp(node: fx.Node, val: Any, origin: Origin) -> None:
    node.meta = {
        "val": val,
        "module": origin.module,
        "module_class": origin.module_class,
        "source": origin.source,
    }
    if origin.torch_fn is not None:
        node.meta["torch_fn"] = origin.torch_fn


def _state_origin(model: nn.Module, name: str) -> Origin:
    path = name.rpartition(".")[0]
    return Origin(path, qualified(type(model.get_submodule(path))), "")


def _specs(traced: Traced) -> list[tuple[Any, fx.Node]]:
    """The exported program's inputs: (spec, placeholder)."""
    exported = traced.exported
    nodes = [n for n in exported.graph.nodes if n.op == "placeholder"]
    return list(zip(exported.graph_signature.input_specs, nodes, strict=True))


def _is_state(spec: Any) -> bool:
    return spec.kind in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


def _model_name(traced: Traced, target: str | None) -> str:
    return (target or "").removeprefix(traced.prefix)


def _is_hollow(value: torch.Tensor) -> bool:
    return value.is_meta or isinstance(value, torch._subclasses.FakeTensor)


def _identifier(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_") or "value"


def _complete_sources(graph: fx.Graph) -> None:
    """Ops of an inlined `no_grad` block have no line of their own: take that of a neighbour."""
    last: dict[str, str] = {}
    for node in graph.nodes:
        if node.op != "call_function":
            continue
        if not node.meta["source"]:
            readers = [n.meta["source"] for n in node.all_input_nodes if n.op == "call_function"]
            near = last.get(node.meta["module"]) or next(filter(None, readers), "")
            node.meta["source"] = near
        last[node.meta["module"]] = node.meta["source"]


def _live_constants(draft: _Draft) -> dict[str, torch.Tensor]:
    """Drop constants that nothing reads; returns the values of the rest."""
    for node in [n for n in draft.graph.nodes if n.op == "placeholder" and not n.users]:
        if draft.bindings[node.name].kind == "constant":
            draft.graph.erase_node(node)
            del draft.bindings[node.name]
    return {name: value for name, value in draft.constants.items() if name in draft.bindings}
