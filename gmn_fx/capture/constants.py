"""Put a tensor into a recorded graph as a constant."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx


def constant(
    graph: fx.GraphModule, value: torch.Tensor, before: fx.Node, kept: dict[fx.Node, Any]
) -> fx.Node:
    """A `get_attr` node for a new tensor attribute, before `before`; its value goes into `kept`."""
    taken = sum(1 for name in dir(graph) if name.startswith("_frozen_"))
    name = f"_frozen_{taken}"
    setattr(graph, name, value.detach().clone())
    with graph.graph.inserting_before(before):
        node = graph.graph.get_attr(name)
    node.meta = dict(before.meta)
    kept[node] = value
    return node
