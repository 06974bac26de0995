"""The mark of a group: its kind, or what lowering made it for (norm, residual sum)."""

from __future__ import annotations

from gmn_fx.graph.model import Group

_PLAIN = ("neuron", "channel")


def role_of(group: Group) -> str:
    """Key of `palette.NODES`."""
    if group.kind in _PLAIN:
        if group.op == "residual":
            return "residual"
        if "norm" in group.op:
            return "norm"
    return group.kind
