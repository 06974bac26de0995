"""Fix the results whose *size* depends on data (`nonzero`, boolean masks, packed sequences).

Re-exporting such an op would give sizes that nobody knows. What they select on the example
inputs becomes a constant index, so that the values still flow.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten
_PACK = aten._pack_padded_sequence.default
_PAD = aten._pad_packed_sequence.default


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
    found = [n for n in graph.graph.nodes if _is_dynamic(n)]
    if not found:
        return []
    wanted = {n for node in found for n in (node, *node.all_input_nodes)}
    interpreter = _Values(graph, wanted)
    with torch.no_grad():
        interpreter.run(*inputs, enable_io_processing=False)
    fixed = [str(n.target) for n in found if _freeze(graph, n, interpreter.kept)]
    graph.graph.lint()
    graph.recompile()
    names = ", ".join(dict.fromkeys(fixed))
    return [f"what these ops select was fixed as on the example inputs: {names}"] if fixed else []


def _is_dynamic(node: fx.Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    return torch.Tag.dynamic_output_shape in node.target.tags or node.target in (_PACK, _PAD)


def _freeze(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> bool:
    """Freeze one node; False if its size does not depend on data after all."""
    value = kept[node]
    if node.target in (_PACK, _PAD):
        _freeze_packing(graph, node, kept)
        return True
    if node.target in (aten.index.Tensor, aten.index_put.default, aten.index_put_.default):
        return _freeze_masks(graph, node, kept)
    if node.target is aten.masked_select.default:
        _as_index(graph, node, torch.nonzero(kept[node.args[1]]).unbind(1))
        return True
    results = value if isinstance(value, (tuple, list)) else (value,)
    if any(r.is_floating_point() or r.is_complex() for r in results):
        return False
    _replace_by_constants(graph, node, value)
    return True


def _constant(graph: fx.GraphModule, value: torch.Tensor, before: fx.Node) -> fx.Node:
    """A `get_attr` node for a new tensor attribute."""
    taken = sum(1 for name in vars(graph) if name.startswith("_frozen_"))
    name = f"_frozen_{taken}"
    setattr(graph, name, value.detach().clone())
    with graph.graph.inserting_before(before):
        node = graph.graph.get_attr(name)
    node.meta = dict(before.meta)
    return node


def _replace_by_constants(graph: fx.GraphModule, node: fx.Node, value: Any) -> None:
    if isinstance(value, torch.Tensor):
        node.replace_all_uses_with(_constant(graph, value, node))
    else:
        for user in list(node.users):
            if user.target is operator.getitem:
                user.replace_all_uses_with(_constant(graph, value[user.args[1]], user))
                graph.graph.erase_node(user)
    graph.graph.erase_node(node)


def _freeze_masks(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> bool:
    """Boolean masks among the indices become constant positions."""
    indices: list[Any] = []
    for index in node.args[1]:  # type: ignore[union-attr]
        value = kept.get(index) if isinstance(index, fx.Node) else None
        if value is not None and value.dtype in (torch.bool, torch.uint8):
            indices += [_constant(graph, i, node) for i in torch.nonzero(value).unbind(1)]
        else:
            indices.append(index)
    if indices == list(node.args[1]):  # type: ignore[arg-type]
        return False
    node.update_arg(1, indices)
    return True


def _as_index(graph: fx.GraphModule, node: fx.Node, positions: tuple[torch.Tensor, ...]) -> None:
    """Turn a selection from `node.args[0]` into an index by constants."""
    indices = [_constant(graph, p, node) for p in positions]
    node.target = aten.index.Tensor
    node.args = (node.args[0], indices)
    node.kwargs = {}


def _freeze_packing(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> None:
    """Packing and padding move elements: read the movement off a tensor of positions."""
    source = node.args[0]
    assert isinstance(source, fx.Node)
    values = kept[source]
    lead = 2 if node.target is _PACK else 1
    count = values.shape[:lead].numel()
    positions = torch.arange(1, count + 1, dtype=torch.float64).reshape(*values.shape[:lead], 1)
    rest = [kept[a] if isinstance(a, fx.Node) else a for a in node.args[1:]]
    if node.target is _PAD:
        rest[1] = 0.0
    moved, other = node.target(positions, *rest)  # type: ignore[operator]
    where = moved[..., 0].long()
    padding = node.args[3] if node.target is _PAD else 0.0
    with graph.graph.inserting_before(node):
        rows = graph.graph.call_function(aten.reshape.default, (source, [count, *values.shape[lead:]]))
        index = _constant(graph, (where - 1).clamp(min=0), node)
        data = graph.graph.call_function(aten.index.Tensor, (rows, [index]))
        if bool((where == 0).any()):
            mask = _constant(graph, (where == 0).unsqueeze(-1), node)
            data = graph.graph.call_function(aten.masked_fill.Scalar, (data, mask, padding))
    for new in (rows, data):
        new.meta = {k: v for k, v in node.meta.items() if k != "val"}
    for user in list(node.users):
        user.replace_all_uses_with(data if user.args[1] == 0 else _constant(graph, other, user))
        graph.graph.erase_node(user)
    graph.graph.erase_node(node)
