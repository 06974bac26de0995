"""Bring a straight-line `fx.GraphModule` into functional ATen without losing where nodes came from.

The graph is interpreted under `torch.export`, each node under an annotation that carries its
name; `Traced.origins` maps that name to module path and source line.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.fx import traceback as fx_traceback
from torch.utils import _pytree as pytree

from gmn_fx.capture.metadata import origin_of
from gmn_fx.capture.traced import ORIGIN_KEY, Origin, Traced


class _Annotated(fx.Interpreter):
    """An interpreter that stamps the name of the node being run on everything it traces."""

    def run_node(self, n: fx.Node) -> Any:
        with fx_traceback.annotate({ORIGIN_KEY: n.name}):
            return super().run_node(n)


class Replay(nn.Module):
    """Runs a graph on (state of `model`, flat inputs), looking the state up at call time."""

    def __init__(self, graph: fx.GraphModule, model: nn.Module | None, state: list[str]) -> None:
        super().__init__()
        self.gm = graph
        if model is not None:
            self.model = model
        self._state = state
        self.train(graph.training)

    def train(self, mode: bool = True) -> Replay:
        """Set the wrapper's own flag only: the model stays in the mode it was given in."""
        self.training = mode
        return self

    def forward(self, *inputs: Any) -> Any:
        """Interpret the graph; the outputs come back as the graph returns them."""
        state = [_lookup(self.model, name) for name in self._state]
        return _Annotated(self.gm).run(*state, *inputs, enable_io_processing=False)


def _lookup(model: nn.Module, name: str) -> Any:
    path, _, leaf = name.rpartition(".")
    return getattr(model.get_submodule(path), leaf)


def export_replay(
    replay: Replay,
    inputs: tuple[Any, ...],
    *,
    prefix: str,
    origins: dict[str, Origin],
    in_spec: Any = None,
    out_spec: Any = None,
    tensor_inputs: tuple[bool, ...] | None = None,
    notes: tuple[str, ...] = (),
) -> Traced:
    """Export a `Replay` and decompose it into functional ATen."""
    for node in replay.gm.graph.nodes:
        # The interpreter makes a node's own metadata current while it runs that node.
        node.meta["custom"] = {ORIGIN_KEY: node.name}
    with fx_traceback.preserve_node_meta():
        exported = torch.export.export(replay, inputs, strict=False).run_decompositions({})
    return Traced(exported, prefix, origins, out_spec, in_spec, tensor_inputs, notes)


def export_graph_module(
    graph: fx.GraphModule,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    model: nn.Module | None = None,
    notes: tuple[str, ...] = (),
) -> Traced:
    """Export a GraphModule that owns its state (symbolic trace, or a loaded exported program)."""
    owner = graph if model is None else model
    origins = {n.name: origin_of(n, owner) for n in graph.graph.nodes}
    flat, in_spec = pytree.tree_flatten((args, kwargs))
    inputs, out_spec = _graph_inputs(graph, args, kwargs, flat)
    replay = Replay(graph, None, [])
    return export_replay(
        replay,
        inputs,
        prefix="gm.",
        origins=origins,
        in_spec=in_spec,
        out_spec=out_spec,
        notes=notes,
    )


def _graph_inputs(
    graph: fx.GraphModule, args: tuple[Any, ...], kwargs: dict[str, Any], flat: list[Any]
) -> tuple[tuple[Any, ...], Any]:
    """Values for the placeholders in order, and the output structure if the graph flattens it."""
    info = getattr(graph.graph._codegen, "pytree_info", None)
    if info is not None:
        return tuple(flat), info.out_spec
    placeholders = [n for n in graph.graph.nodes if n.op == "placeholder"]
    values: list[Any] = []
    rest = list(args)
    for node in placeholders:
        name = str(node.target).lstrip("*")
        if rest and not str(node.target).startswith("**"):
            values.append(rest.pop(0))
        elif name in kwargs:
            values.append(kwargs[name])
        else:
            values.append(node.args[0] if node.args else None)
    return tuple(values), None
