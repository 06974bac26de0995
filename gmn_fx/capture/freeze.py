"""Fix the *sizes* that depend on data (`nonzero`, boolean masks, packed sequences).

Re-exporting such an op would give sizes that nobody knows. Where the places of non-zero entries are
wanted, the op becomes `nonzero_static` with the size found on the example inputs, so that what it
selects still depends on the data; what any other such op selects becomes constant.
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
_PLACES = (*_UNTAGGED, aten.nonzero.default)
_REPEATS = (aten.repeat_interleave.self_Tensor, aten.repeat_interleave.Tensor)


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
    return (
        [f"the sizes of these results were fixed as on the example inputs: {listed}"]
        if fixed
        else []
    )


def _is_dynamic(node: fx.Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    if node.target is aten.one_hot.default and [*node.args[1:], *node.kwargs.values(), -1][0] != -1:
        return False
    tagged = torch.Tag.dynamic_output_shape in node.target.tags
    return tagged or is_packed(node) or node.target in (*_UNTAGGED, *_REPEATS, aten.narrow.Tensor)


def _freeze(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> bool:
    """Freeze one node; False if its size does not depend on data after all."""
    value = kept[node]
    if is_packed(node):
        freeze_packed(graph, node, kept)
        return True
    if node.target in (aten.index.Tensor, aten.index_put.default, aten.index_put_.default):
        return _freeze_masks(graph, node, kept)
    if node.target is aten.masked_select.default:
        mask = node.all_input_nodes[1]
        _as_index(node, _columns(graph, node, mask, kept[mask]))
        return True
    if node.target in _PLACES:
        _freeze_places(graph, node, kept)
        return True
    if node.target is aten.repeat_interleave.self_Tensor:
        _freeze_repeats(graph, node, kept)
        return True
    if node.target is aten.narrow.Tensor:
        start = kept[node.args[2]]  # type: ignore[index]
        node.target = aten.narrow.default
        node.update_arg(2, int(start))
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


def _static(graph: fx.GraphModule, before: fx.Node, mask: fx.Node, value: torch.Tensor) -> fx.Node:
    """The places of the non-zero entries of `mask`, as many as `value` has: `[n, rank]`."""
    with graph.graph.inserting_before(before):
        # Where nothing was found one place stands for all that other data would select.
        size = max(1, int(torch.count_nonzero(value)))
        node = graph.graph.call_function(
            aten.nonzero_static.default, (mask,), {"size": size, "fill_value": 0}
        )
    node.meta = dict(before.meta)
    return node


def _columns(
    graph: fx.GraphModule, before: fx.Node, mask: fx.Node, value: torch.Tensor
) -> list[fx.Node]:
    """The same, a vector for each axis of `mask`."""
    places = _static(graph, before, mask, value)
    out = []
    with graph.graph.inserting_before(before):
        for axis in range(value.dim()):
            out.append(graph.graph.call_function(aten.select.int, (places, 1, axis)))
    for node in out:
        node.meta = dict(before.meta)
    return out


def _freeze_places(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> None:
    """`nonzero` and its other spellings."""
    mask = node.all_input_nodes[0]
    if isinstance(kept[node], torch.Tensor):
        node.replace_all_uses_with(_static(graph, node, mask, kept[mask]))
    else:
        columns = _columns(graph, node, mask, kept[mask])
        for user in list(node.users):
            user.replace_all_uses_with(columns[user.args[1]])  # type: ignore[index]
            graph.graph.erase_node(user)
    graph.graph.erase_node(node)


def _freeze_repeats(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> None:
    """Rows that are repeated as often as data says: the rows are what they were."""
    x, repeats = node.args[:2]
    dim = [*node.args[2:3], node.kwargs.get("dim")][0]
    size = kept[x].numel() if dim is None else kept[x].shape[dim]  # type: ignore[index]
    index = torch.repeat_interleave(kept[repeats].expand(size))  # type: ignore[index]
    with graph.graph.inserting_before(node):
        if dim is None:
            x = graph.graph.call_function(aten.reshape.default, (x, [-1]))
            x.meta = dict(node.meta)
    where = constant(graph, index, node, kept)
    node.target = aten.index_select.default
    node.args, node.kwargs = (x, dim or 0, where), {}


def _freeze_masks(graph: fx.GraphModule, node: fx.Node, kept: dict[fx.Node, Any]) -> bool:
    """Boolean masks among the indices become places."""
    indices: list[Any] = []
    for index in node.args[1]:  # type: ignore[union-attr]
        value = kept.get(index) if isinstance(index, fx.Node) else None
        is_mask = value is not None and value.dtype in (torch.bool, torch.uint8)
        if is_mask and value is not None and isinstance(index, fx.Node):
            indices += _columns(graph, node, index, value)
        else:
            indices.append(index)
    if indices == list(node.args[1]):  # type: ignore[arg-type]
        return False
    node.update_arg(1, indices)
    return True


def _as_index(node: fx.Node, positions: list[fx.Node]) -> None:
    """Turn a selection from `node.args[0]` into an index."""
    node.target = aten.index.Tensor
    node.args = (node.args[0], positions)
    node.kwargs = {}
