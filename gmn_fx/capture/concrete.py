"""Rung `concrete`: `make_fx` on the real inputs, then the straight-line result in functional ATen.

Python that looks at tensor values (`if x.sum() > 0`, `.item()`) runs and is fixed as it came out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.fx import traceback as fx_traceback
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from gmn_fx.capture.controlflow import specialised_control_flow
from gmn_fx.capture.freeze import freeze_dynamic
from gmn_fx.capture.metadata import origin_of, qualified
from gmn_fx.capture.modulepath import tracked
from gmn_fx.capture.names import named_tensors
from gmn_fx.capture.straight import Replay, export_replay
from gmn_fx.capture.traced import ORIGIN_KEY, Origin, Traced


def trace_concrete(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Traced:
    """Run the model once on real tensors, record every ATen op, re-export the recording."""
    state = named_tensors(model)
    leaves, in_spec = pytree.tree_flatten((args, kwargs))
    inputs = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    shape: list[Any] = []
    once = _distinct_attributes(model, list(state))

    def run(*flat: torch.Tensor) -> tuple[torch.Tensor, ...]:
        own = {name: t for name, t in zip(state, flat, strict=False) if name in once}
        call_args, call_kwargs = _fill(leaves, in_spec, list(flat[len(state) :]))
        out = torch.func.functional_call(model, own, call_args, call_kwargs, tie_weights=False)
        flat_out, spec = pytree.tree_flatten(out)
        shape[:] = [spec]
        return tuple(flat_out)

    values = [tensor.detach() for tensor in state.values()]
    stamped = tracked(model, annotate=True)
    with specialised_control_flow() as notes, stamped, fx_traceback.preserve_node_meta():
        graph = make_fx(
            run,
            tracing_mode="real",
            pre_dispatch=True,
            _error_on_data_dependent_ops=False,
            record_stack_traces=True,
        )(*values, *inputs)
    notes += freeze_dynamic(graph, (*values, *inputs))
    graph.train(model.training)
    replay = Replay(graph, model, list(state))
    return export_replay(
        replay,
        tuple(inputs),
        prefix="model.",
        origins={n.name: _origin(n, model) for n in graph.graph.nodes},
        in_spec=in_spec,
        out_spec=shape[0],
        tensor_inputs=tuple(isinstance(leaf, torch.Tensor) for leaf in leaves),
        notes=tuple(notes),
    )


def _distinct_attributes(model: nn.Module, names: list[str]) -> set[str]:
    """One name for each attribute: under two paths to one module it would be swapped twice."""
    first: dict[tuple[int, str], str] = {}
    for name in names:
        path, _, leaf = name.rpartition(".")
        first.setdefault((id(model.get_submodule(path)), leaf), name)
    return set(first.values())


def _fill(leaves: list[Any], spec: Any, tensors: list[torch.Tensor]) -> tuple[Any, Any]:
    """Put `tensors` back into the places of tensors among the input leaves."""
    rest = iter(tensors)
    filled = [next(rest) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
    args, kwargs = pytree.tree_unflatten(filled, spec)
    return tuple(args), dict(kwargs)


def _origin(node: fx.Node, model: nn.Module) -> Origin:
    """Where a recorded node stands: the path that the hooks stamped, and its own stack trace."""
    found = origin_of(node, model)
    custom = node.meta.get("custom")
    stamp = custom.get(ORIGIN_KEY, "") if isinstance(custom, dict) else ""
    path, _, cls = stamp.partition("\n")
    return Origin(path, cls or qualified(type(model)), found.source, found.torch_fn)
