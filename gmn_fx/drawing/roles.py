"""What a group is on a picture: its mark (norm, residual sum), the name of an input."""

from __future__ import annotations

from gmn_fx.graph.model import Group, ParameterGraph

_PLAIN = ("neuron", "channel")


def role_of(group: Group) -> str:
    """Key of `palette.NODES`."""
    if group.kind in _PLAIN:
        if group.op == "residual":
            return "residual"
        if "norm" in group.op:
            return "norm"
    return group.kind


def input_title(graph: ParameterGraph, group: Group) -> str:
    """`input`; `input x` where the network has several."""
    several = sum(g.kind == group.kind and g.size > 0 for g in graph.groups) > 1
    return f"{group.kind} {group.name}".rstrip() if several else group.kind
