"""Rung `symbolic`: `fx.symbolic_trace`, then the straight-line module in functional ATen."""

from __future__ import annotations

import inspect
from typing import Any

from torch import fx, nn

from gmn_fx.capture.metadata import qualified
from gmn_fx.capture.straight import export_graph_module
from gmn_fx.capture.traced import Traced


class _Tracer(fx.Tracer):
    """Keeps `torch.nn` layers as calls, and stamps every node with the module it stands in."""

    record_stack_traces = True

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        stack = getattr(self, "module_stack", None) or {}
        node.meta.setdefault(
            "nn_module_stack", {k: (k, qualified(cls)) for k, (_, cls) in stack.items()}
        )
        return node


def trace_symbolic(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Traced:
    """Capture with symbolic values: whatever Python decides, it decides without looking at data.

    Arguments that are not given keep their defaults.
    """
    signature = inspect.signature(model.forward)
    given, parameters = signature.bind(*args, **kwargs).arguments, signature.parameters
    fixed = {n: p.default for n, p in parameters.items() if n not in given and _has_default(p)}
    tracer = _Tracer(autowrap_functions=())
    graph = tracer.trace(model, concrete_args=fixed or None)
    module = fx.GraphModule(tracer.root, graph, type(model).__name__)
    if fixed:
        module.graph.set_codegen(fx.graph.CodeGen())
    module.train(model.training)
    return export_graph_module(module, args, kwargs, model=model)


def _has_default(parameter: Any) -> bool:
    return parameter.default is not parameter.empty
