"""Fix the results whose *size* depends on data (`nonzero`, boolean masks, packed sequences).

Re-exporting such an op would give sizes that nobody knows. What they select on the example
inputs becomes a constant index, so that the values still flow.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from gmn_fx.capture.constants import constant
from gmn_fx.capture.packed import freeze_packed, is_packed

aten = torch.ops.aten
_NUMBERS = (aten.item.default, aten._local_scalar_dense.default)
# Composite ops before dispatch that lack torch's tag for data-dependent sizes.
_UNTAGGED = (aten.where.default, aten.argwhere.default, aten.nonzero_numpy.default)


class _Values(fx.Interpreter):
    """Keeps what the dynamic ops and the indices of others came to."""

    def __init__(self, graph: fx.GraphModule, wanted: set[fx.Node]) -> None:
        super().__init__(graph)
        self.wanted = wanted
        self.kept: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n in self.wanted:
            self.kept[n] = result
        return result


def freeze_dynamic(graph: fx.GraphModule, inputs: tuple[Any, ...]) -> list[str]:
    """Replace data-dependent sizes in `graph` by what the inputs give; says what was fixed."""
    for node in reversed(list(graph.graph.nodes)):
        if node.target in _NUMBERS and not node.users:  # Python has read the number already
            graph.graph.erase_node(node)
    found = [n for n in graph.graph.nodes if _is_dynamic(n)]
    graph.recompile()
    if not found:
        return []
    wanted = {n for node in found for n in (node, *node.all_input_nodes)}
    interpreter = _Values(graph, wanted)
    with torch.no_grad():
        interpreter.run(*inputs, enable_io_processing=False)
    names = [str(n.target) for n in found]
    fixed = [
        name for name, n in zip(names, found, strict=True) if _freeze(graph, n, interpreter.kept)
    ]
    graph.graph.lint()
    graph.recompile()
    listed = ", ".join(dict.fromkeys(fixed))
    return [f"what these ops select was fixed as on the example inputs: {listed}"] if fixed else []


def _is_dynamic(node: fx.Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    tagged = torch.Tag.dynamic_output_shape in node.target.tags
    return tagged or is_packed(node) or node.target in _UNTAGGED


def _freeze(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> bool:
    """Freeze one node; False if its size does not depend on data after all."""
    value = kept[node]
    if is_packed(node):
        freeze_packed(graph, node, kept)
        return True
    if node.target in (aten.index.Tensor, aten.index_put.default, aten.index_put_.default):
        return _freeze_masks(graph, node, kept)
    if node.target is aten.masked_select.default:
        _as_index(graph, node, torch.nonzero(kept[node.all_input_nodes[1]]).unbind(1), kept)
        return True
    results = value if isinstance(value, (tuple, list)) else (value,)
    if any(r.is_floating_point() or r.is_complex() for r in results):
        return False
    _replace_by_constants(graph, node, kept)
    return True


def _replace_by_constants(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> None:
    value = kept[node]
    if isinstance(value, torch.Tensor):
        node.replace_all_uses_with(constant(graph, value, node, kept))
    else:
        for user in list(node.users):
            if user.target is operator.getitem:
                user.replace_all_uses_with(constant(graph, value[user.args[1]], user, kept))
                graph.graph.erase_node(user)
    graph.graph.erase_node(node)


def _freeze_masks(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> bool:
    """Boolean masks among the indices become constant positions."""
    indices: list[Any] = []
    for index in node.args[1]:  # type: ignore[union-attr]
        value = kept.get(index) if isinstance(index, fx.Node) else None
        if value is not None and value.dtype in (torch.bool, torch.uint8):
            indices += [constant(graph, i, node, kept) for i in torch.nonzero(value).unbind(1)]
        else:
            indices.append(index)
    if indices == list(node.args[1]):  # type: ignore[arg-type]
        return False
    node.update_arg(1, indices)
    return True


def _as_index(
    graph: fx.GraphModule,
    node: fx.Node,
    positions: tuple[torch.Tensor, ...],
    kept: dict[fx.Node, Any],
) -> None:
    """Turn a selection from `node.args[0]` into an index by constants."""
    indices = [constant(graph, p, node, kept) for p in positions]
    node.target = aten.index.Tensor
    node.args = (node.args[0], indices)
    node.kwargs = {}
