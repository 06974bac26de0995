"""A small exporter of its own, so that tests of passes do not depend on capture."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import torch
from torch import fx, nn

from gmn_fx.ir.program import Binding, Program

_KINDS = {"PARAMETER": "param", "BUFFER": "buffer", "CONSTANT_TENSOR": "constant"}


def export(model: nn.Module, *args: Any, train: bool = False) -> tuple[Program, dict[str, Any]]:
    """The program of a float64 model, and values for its placeholders."""
    model = model.double().train(train)
    for p in model.parameters():
        p.requires_grad_(False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*were assigned during export.*")
        exported = torch.export.export(model, args, strict=False).run_decompositions({})
    state = {**exported.state_dict, **exported.constants}
    graph: fx.Graph = exported.graph
    bindings: dict[str, Binding] = {}
    values: dict[str, Any] = {}
    inputs = iter(args)
    for spec in exported.graph_signature.input_specs:
        kind = _KINDS.get(spec.kind.name, "input")
        if kind == "buffer" and spec.persistent is False:
            kind = "constant"
        bindings[spec.arg.name] = Binding(kind, spec.target or spec.arg.name, kind == "param")
        values[spec.arg.name] = next(inputs) if kind == "input" else state[spec.target]
    for node in graph.nodes:
        if node.op == "output":
            node.args = (tuple(node.args[0][-_outputs(exported) :]),)
        node.meta = {
            "val": _meta(node.meta.get("val")), "module": "", "module_class": "", "source": "",
        }  # fmt: skip
    constants = {k: values[k] for k, b in bindings.items() if b.kind == "constant"}
    names = tuple(f"output[{i}]" for i in range(_outputs(exported)))
    return Program(graph, bindings, constants, names), values


def _outputs(exported: Any) -> int:
    return sum(s.kind.name == "USER_OUTPUT" for s in exported.graph_signature.output_specs)


def _meta(val: Any) -> Any:
    if isinstance(val, torch.Tensor):
        return torch.empty_strided(val.shape, val.stride(), dtype=val.dtype, device="meta")
    return type(val)(map(_meta, val)) if isinstance(val, (tuple, list)) else val


def targets(program: Program) -> list[str]:
    """Names of all ops, in order, `getitem` apart."""
    return [
        str(n.target) if isinstance(n.target, torch._ops.OpOverload) else n.target.__name__
        for n in program.graph.nodes
        if n.op == "call_function" and n.target is not operator.getitem
    ]
