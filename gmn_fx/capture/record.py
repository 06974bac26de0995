"""Rung `record`: write down the torch calls of one real run, then export the recording."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from gmn_fx.capture.controlflow import specialised_control_flow
from gmn_fx.capture.freeze import freeze_dynamic
from gmn_fx.capture.metadata import model_file, qualified
from gmn_fx.capture.modulepath import ModulePath, tracked
from gmn_fx.capture.names import named_tensors
from gmn_fx.capture.source import caller_line
from gmn_fx.capture.straight import Replay, export_replay
from gmn_fx.capture.traced import Origin, Traced


class _Recorder(TorchFunctionMode):
    """Records every torch call that makes or changes a tensor as one graph node."""

    def __init__(self, where: ModulePath, file: str, root: str) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.holder = nn.Module()
        self.origins: dict[str, Origin] = {}
        self._nodes: dict[int, fx.Node] = {}
        self._alive: list[torch.Tensor] = []  # ids are only unique among living objects
        self._where, self._file, self._root = where, file, root

    def placeholder(self, name: str, tensor: torch.Tensor) -> None:
        """Declare a tensor that the recording reads from outside."""
        self._bind(tensor, self.graph.placeholder(name))

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        tensors = [t for t in pytree.tree_leaves(result) if isinstance(t, torch.Tensor)]
        if tensors or getattr(func, "__name__", "") in ("__setitem__", "__set__"):
            self._record(func, args, kwargs, result)
        return result

    def _record(self, func: Callable[..., Any], args: Any, kwargs: Any, result: Any) -> None:
        node = self.graph.call_function(func, self._arg(tuple(args)), self._arg(dict(kwargs)))
        path, cls = self._where.top
        self.origins[node.name] = Origin(path, cls or self._root, caller_line(self._file))
        self._bind_result(result, node)

    def _bind_result(self, result: Any, node: fx.Node) -> None:
        if isinstance(result, torch.Tensor):
            self._bind(result, node)
        elif isinstance(result, (tuple, list)):
            for i, item in enumerate(result):
                inner = self.graph.call_function(operator.getitem, (node, i))
                self.origins[inner.name] = self.origins[node.name]
                self._bind_result(item, inner)

    def _bind(self, tensor: torch.Tensor, node: fx.Node) -> None:
        self._nodes[id(tensor)] = node
        self._alive.append(tensor)

    def _arg(self, value: Any) -> Any:
        """Arguments with every tensor replaced by its node."""
        if isinstance(value, torch.Tensor):
            return self.node_of(value)
        if isinstance(value, (tuple, list)) and type(value) in (tuple, list, torch.Size):
            kind = list if isinstance(value, list) else tuple
            return kind(self._arg(v) for v in value)
        if isinstance(value, dict):
            return {k: self._arg(v) for k, v in value.items()}
        if isinstance(value, slice):
            return slice(self._arg(value.start), self._arg(value.stop), self._arg(value.step))
        return value

    def node_of(self, tensor: torch.Tensor) -> fx.Node:
        """The node that made a tensor; a tensor from outside becomes a constant."""
        if id(tensor) not in self._nodes:
            name = f"constant_{len(self._alive)}"
            with torch._C.DisableTorchFunction():
                setattr(self.holder, name, tensor.detach().clone())
            self._bind(tensor, self.graph.get_attr(name))
        return self._nodes[id(tensor)]


def trace_record(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Traced:
    """Run the model once under a torch-function mode and export what it called."""
    state = named_tensors(model)
    leaves, in_spec = pytree.tree_flatten((args, kwargs))
    inputs = tuple(leaf for leaf in leaves if isinstance(leaf, torch.Tensor))
    with specialised_control_flow() as notes, tracked(model) as where:
        recorder = _Recorder(where, model_file(model), qualified(type(model)))
        for i, tensor in enumerate(state.values()):
            recorder.placeholder(f"state_{i}", tensor)
        for i, tensor in enumerate(inputs):
            recorder.placeholder(f"input_{i}", tensor)
        with recorder:
            out = model(*args, **kwargs)
    flat_out, out_spec = pytree.tree_flatten(out)
    recorder.graph.output(tuple(recorder._arg(o) for o in flat_out))
    graph = fx.GraphModule(recorder.holder, recorder.graph)
    graph.train(model.training)
    notes += freeze_dynamic(graph, (*state.values(), *inputs))
    return export_replay(
        Replay(graph, model, list(state)),
        inputs,
        prefix="model.",
        origins=recorder.origins,
        in_spec=in_spec,
        tensor_inputs=tuple(isinstance(leaf, torch.Tensor) for leaf in leaves),
        out_spec=out_spec,
        notes=tuple(notes),
    )
