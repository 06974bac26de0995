"""Did the capture lose a parameter? Compare what the graph reaches with what autograd reaches."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from gmn_fx.capture.names import state_of
from gmn_fx.ir.program import Program


def unread_parameters(program: Program) -> tuple[str, ...]:
    """Parameters that no output of the program depends on, in state_dict order."""
    live = _reached(program)
    return tuple(
        binding.name
        for node in program.graph.nodes
        if node.op == "placeholder"
        and (binding := program.bindings[node.name]).kind == "param"
        and node not in live
    )


def _reached(program: Program) -> set[fx.Node]:
    live: set[fx.Node] = set()
    stack = list(program.output_nodes)
    while stack:
        node = stack.pop()
        if node not in live:
            live.add(node)
            stack.extend(node.all_input_nodes)
    return live


def lost_parameters(
    model: nn.Module, program: Program, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, ...]:
    """Parameters that the model's outputs depend on and the program's do not.

    Runs the model only if the program leaves some parameter unread, and asks autograd about
    those only. Call it inside `prepared`: nothing is written to the model.
    """
    unread = unread_parameters(program)
    entries = state_of(model).by_name
    asked = [name for name in unread if _differentiable(entries[name].tensor)]
    if not asked:
        return ()
    own: dict[str, torch.Tensor] = {}
    for name, param in model.named_parameters(remove_duplicate=False):
        own[name] = param.detach()
    probes = {name: entries[name].tensor.detach().requires_grad_() for name in asked}
    for name, probe in probes.items():
        own |= dict.fromkeys((name, *entries[name].aliases), probe)
    with torch.enable_grad():
        out = torch.func.functional_call(model, own, args, kwargs, tie_weights=False)
        roots = [t.sum().abs() for t in _float_outputs(out) if t.requires_grad]
        if not roots:
            return ()
        total = torch.stack([r.to(torch.float64) for r in roots]).sum()
        grads = torch.autograd.grad(total, list(probes.values()), allow_unused=True)
    return tuple(name for name, grad in zip(probes, grads, strict=True) if grad is not None)


def _float_outputs(out: Any) -> list[torch.Tensor]:
    tensors = [t for t in pytree.tree_leaves(out) if isinstance(t, torch.Tensor)]
    return [t for t in tensors if _differentiable(t)]


def _differentiable(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()
