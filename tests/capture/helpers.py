"""Run a captured program on a model's own state, and compare."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from gmn_fx.ir.prepare import prepared
from gmn_fx.ir.program import Program


def run_program(program: Program, model: nn.Module, inputs: dict[str, torch.Tensor]) -> Any:
    """Execute with the values of `model` and `inputs` by binding name."""
    tensors = {n: p for n, p in model.named_parameters(remove_duplicate=False)}
    tensors |= dict(model.named_buffers(remove_duplicate=False))
    values = {}
    for placeholder, binding in program.bindings.items():
        if binding.kind == "input":
            values[placeholder] = inputs[binding.name]
        elif binding.kind == "constant":
            values[placeholder] = program.constants[placeholder]
        else:
            values[placeholder] = tensors[binding.name]
    return program.run(values)


def expected(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    with prepared(model):
        out = model(*args, **kwargs)
    return [t for t in pytree.tree_leaves(out) if isinstance(t, torch.Tensor)]


def assert_same_function(
    program: Program, model: nn.Module, args: tuple[Any, ...] = (), kwargs: Any = None
) -> None:
    """The program computes what the model computes, on the example inputs."""
    kwargs = dict(kwargs or {})
    names = [b.name for b in program.bindings.values() if b.kind == "input"]
    flat = [t for t in pytree.tree_leaves((args, {})) if isinstance(t, torch.Tensor)]
    inputs = dict(zip(names, flat, strict=False)) | kwargs
    with torch.no_grad():
        got = run_program(program, model, inputs)
    for ours, theirs in zip(got, expected(model, args, kwargs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def targets(program: Program) -> list[str]:
    return [str(n.target) for n in program.graph.nodes if n.op == "call_function"]


def fingerprint(model: nn.Module) -> dict[str, Any]:
    """Everything about a model that capture must leave alone."""
    return {
        path: (
            sorted(vars(module)),
            module.training,
            [len(vars(module)[h]) for h in ("_forward_hooks", "_forward_pre_hooks")],
            {n: (id(p), p._version, p.requires_grad, p.grad is None) for n, p in own(module)},
            {n: (id(b), b.detach().clone()) for n, b in module._buffers.items() if b is not None},
        )
        for path, module in model.named_modules()
    }


def own(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(n, p) for n, p in module._parameters.items() if p is not None]


def assert_untouched(before: dict[str, Any], model: nn.Module) -> None:
    after = fingerprint(model)
    assert list(before) == list(after)
    for path, old in before.items():
        new = after[path]
        assert old[:4] == new[:4], path
        for name, (identity, value) in old[4].items():
            assert new[4][name][0] == identity, name
            assert torch.equal(new[4][name][1], value), name
