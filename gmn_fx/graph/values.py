"""Values: bind weights to a structure, read them per edge, write them back bit for bit (P2).

`edge_values` has one dtype for the whole graph: that of the parameters, or their promotion
(`torch.promote_types`) where dtypes are mixed. Promotion may lose bits (int64 to float32, NaN
payloads of half types), so the way back never relies on it: an element whose edge value is, bit for
bit, the promotion of the bound element keeps the bound element; only a changed value is cast.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from gmn_fx.errors import GraphError, UnsupportedTensorError
from gmn_fx.graph.arrays import bundle_starts
from gmn_fx.graph.coverage import spans
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, ParameterGraph, Slot

# numpy has no bfloat16 and no float8: values are moved as integers of the same width
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.complex128}


def bind(graph: ParameterGraph, state_dict: Mapping[str, Any]) -> ParameterGraph:
    """Other weights on the same structure.

    Names are those of the slots; a tied slot may come under any of its aliases. Tensors are held by
    reference (detached). Their dtype may differ from that of the slots; their shape may not.

    Raises:
        GraphError: names are missing or left over, a shape differs, tied entries differ.
        UnsupportedTensorError: a tensor is quantised or sparse.
    """
    known: set[str] = set()
    missing: list[Slot] = []
    slots: list[Slot] = []
    values: dict[str, Tensor] = {}
    for slot in graph.slots:
        found = [n for n in (slot.name, *slot.aliases) if n in state_dict]
        known.update(found)
        if not found:
            missing.append(slot)
            continue
        tensor = _checked(slot, found[0], state_dict[found[0]])
        for name in found[1:]:
            _check_tied(slot, found[0], tensor, name, state_dict[name])
        values[slot.name] = tensor
        slots.append(slot if tensor.dtype == slot.dtype else replace(slot, dtype=tensor.dtype))
    extra = [n for n, t in state_dict.items() if n not in known and isinstance(t, Tensor)]
    if missing or extra:
        raise _names_differ([s.name for s in missing], extra)
    return replace(graph, slots=tuple(slots), values=values)


def _checked(slot: Slot, name: str, tensor: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise GraphError(
            f"{name!r} is a {type(tensor).__name__}, not a tensor",
            hint="give the state_dict of a model of this architecture",
        )
    if tensor.is_quantized or tensor.layout != torch.strided:
        form = "quantised" if tensor.is_quantized else str(tensor.layout)
        raise UnsupportedTensorError(
            f"{name!r} is {form}: its elements are not plain numbers on edges",
            hint="dequantise or densify the parameter first",
        )
    if tensor.is_meta:
        raise GraphError(
            f"{name!r} is on the meta device and has no values",
            hint="keep the graph without values, or load the weights first",
        )
    if tuple(tensor.shape) != slot.shape:
        raise GraphError(
            f"{name!r} has shape {tuple(tensor.shape)}, the graph has {slot.shape}",
            hint="extract a graph of this architecture: bind() only exchanges values",
        )
    return tensor.detach()


def _check_tied(slot: Slot, first: str, tensor: Tensor, name: str, other: Any) -> None:
    second = _checked(slot, name, other)
    if second.data_ptr() == tensor.data_ptr() and second.stride() == tensor.stride():
        return
    if not same_bits(tensor, second.to(tensor.device)):
        raise GraphError(
            f"{first!r} and {name!r} are one tied parameter in this graph, but their values differ",
            hint="give a state_dict in which they agree, or only one of the two",
        )


def _names_differ(missing: list[str], extra: list[str]) -> GraphError:
    lines = ["the state_dict does not fit the graph"]
    for name in missing[:20]:
        near = difflib.get_close_matches(name, extra[:1000], n=1)
        lines.append(f"  missing: {name!r}" + (f" (near: {near[0]!r})" if near else ""))
    lines += [f"  unexpected: {name!r}" for name in extra[:20]]
    more = max(0, len(missing) - 20) + max(0, len(extra) - 20)
    if more:
        lines.append(f"  and {more} more")
    return GraphError("\n".join(lines), hint="rename the entries to the names in graph.slots")


def value_dtype(graph: ParameterGraph) -> torch.dtype:
    """The dtype of `edge_values`: that of the parameters on edges, promoted where they differ."""
    dtypes = {slot.name: slot.dtype for slot in graph.slots}
    result: torch.dtype | None = None
    for name in dict.fromkeys(b.slot for b in graph.bundles if b.slot is not None):
        result = dtypes[name] if result is None else _promote(result, dtypes[name])
    return torch.float32 if result is None else result


def _promote(a: torch.dtype, b: torch.dtype) -> torch.dtype:
    if a == b:
        return a
    # torch refuses to promote float8; every value of it is a float32
    a, b = (torch.float32 if d.is_floating_point and d.itemsize == 1 else d for d in (a, b))
    try:
        return torch.promote_types(a, b)
    except RuntimeError:  # wide unsigned integers have no common type with others
        return torch.float64


def edge_values(graph: ParameterGraph) -> Tensor:
    """The value of every edge, [E], in the order of the arrays; 1 on parameter-free edges."""
    values = bound_values(graph)
    dtype = value_dtype(graph)
    starts = bundle_starts(graph)
    one = _bits(torch.ones(1).to(dtype)).numpy()
    out = np.empty(starts[-1], dtype=one.dtype)
    moved: dict[str, np.ndarray] = {}
    for bundle, low in zip(graph.bundles, starts[:-1], strict=True):
        part = out[low : low + math.prod(bundle.shape)]
        if bundle.slot is None or bundle.view is None:
            part[...] = one[0]
            continue
        if bundle.slot not in moved:
            moved = {bundle.slot: _bits(values[bundle.slot].to("cpu", dtype)).numpy()}
        _gather(part.reshape(bundle.shape), moved[bundle.slot], bundle.view.expand(bundle.shape))
    return torch.from_numpy(out).view(dtype)


def _gather(out: np.ndarray, flat: np.ndarray, view: IndexMap) -> None:
    if out.size == 0:
        return
    low, high = view.bounds()
    if low < 0 or high >= len(flat):
        raise GraphError(
            f"P7: a bundle reads elements {low} to {high} of a slot with {len(flat)}",
            hint="run graph.verify() for the name of the bundle",
        )
    if view.table is not None:
        out[...] = flat[view.core()]
        return
    steps = tuple(s * flat.itemsize for s in view.strides)
    out[...] = np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, steps)


def bound_values(graph: ParameterGraph) -> Mapping[str, Tensor]:
    """The values of all slots; GraphError when the graph has none."""
    lacking = [slot.name for slot in graph.slots if slot.name not in graph.values]
    if lacking:
        raise GraphError(
            f"the graph has no values for {lacking[0]!r}"
            + (f" and {len(lacking) - 1} more slots" if len(lacking) > 1 else ""),
            hint="attach weights first: graph = graph.bind(model.state_dict())",
        )
    return graph.values


def to_state_dict(
    graph: ParameterGraph,
    edge_values: Tensor | None = None,
    *,
    reduce: Literal["equal", "mean"] = "equal",
) -> dict[str, Tensor]:
    """The bound state_dict (by reference), or a new one with the values of `edge_values` [E].

    The inverse of `edge_values`, bit for bit. Elements that lie on no edge come from the bound
    values. It is differentiable: gradients flow from the entries to `edge_values`, whose dtype then
    should be that of the parameters. Aliases hold the same tensor as their slot.

    Args:
        graph: the graph; it needs values only for elements that are on no edge.
        edge_values: [E] in the order of `edge_values` and of the arrays, on any device.
        reduce: what to do with an element whose edges disagree: "equal" raises GraphError, "mean"
            averages them.
    """
    if reduce not in ("equal", "mean"):
        raise GraphError(f"reduce={reduce!r} is unknown", hint='use "equal" or "mean"')
    if edge_values is None:
        values: Mapping[str, Tensor] = bound_values(graph)
    else:
        values = _from_edges(graph, edge_values, reduce)
    return {name: values[s.name] for s in graph.slots for name in (s.name, *s.aliases)}


def _from_edges(graph: ParameterGraph, edges: Tensor, reduce: str) -> dict[str, Tensor]:
    starts = bundle_starts(graph)
    if tuple(edges.shape) != (starts[-1],):
        raise GraphError(
            f"edge_values has shape {tuple(edges.shape)}, the graph has {starts[-1]} edges",
            hint="give one value for each edge, in the order of graph.edge_values()",
        )
    pieces: dict[str, list[tuple[Bundle, Tensor]]] = {}
    for bundle, low in zip(graph.bundles, starts[:-1], strict=True):
        if bundle.slot is not None:
            chunk = edges[low : low + math.prod(bundle.shape)]
            pieces.setdefault(bundle.slot, []).append((bundle, chunk))
    out = {}
    for slot in graph.slots:
        bound = graph.values.get(slot.name)
        if slot.name in pieces:
            flat = _assemble(slot, pieces[slot.name], bound, reduce)
            out[slot.name] = _restore(slot, flat, bound).reshape(slot.shape)
        elif bound is None and slot.numel:
            raise _no_value(slot)
        else:
            empty = torch.empty(slot.shape, dtype=slot.dtype) if bound is None else bound
            out[slot.name] = empty
    return out


def _no_value(slot: Slot) -> GraphError:
    return GraphError(
        f"slot {slot.name!r} has elements on no edge, and the graph has no values for them",
        hint="attach weights first: graph = graph.bind(model.state_dict())",
    )


def _assemble(
    slot: Slot, pieces: list[tuple[Bundle, Tensor]], bound: Tensor | None, reduce: str
) -> Tensor:
    """The flat slot in the dtype of the edge values."""
    views = [b.view.expand(b.shape) for b, _ in pieces if b.view is not None]
    simple = _assemble_strided(slot, views, [chunk for _, chunk in pieces], bound)
    if simple is not None:
        return simple
    chunks = torch.cat([chunk for _, chunk in pieces]) if len(pieces) > 1 else pieces[0][1]
    index = torch.cat([torch.from_numpy(v.array().reshape(-1).copy()) for v in views])
    counts = torch.bincount(index, minlength=slot.numel)
    if bound is None and slot.numel and int(counts.min()) == 0:
        raise _no_value(slot)
    index = index.to(chunks.device)
    base = torch.zeros(slot.numel).to(chunks) if bound is None else bound.reshape(-1).to(chunks)
    if chunks.requires_grad:
        flat = base.index_put((index,), chunks)
    else:  # as bits: not every dtype has index_put
        flat = _bits(base).index_put((index,), _bits(chunks)).view(chunks.dtype)
    if slot.numel == 0 or int(counts.max()) <= 1:
        return flat
    return _agree(slot, flat, index, chunks, counts.to(chunks.device), reduce)


def _assemble_strided(
    slot: Slot, views: list[IndexMap], chunks: list[Tensor], bound: Tensor | None
) -> Tensor | None:
    """Without an index for each element, where strides suffice; None where they do not."""
    grad = chunks[0].requires_grad
    if all(_is_identity(view, slot.numel) for view in views):
        alone = len(chunks) == 1
        if alone or (not grad and all(same_bits(chunks[0], c) for c in chunks[1:])):
            return chunks[0].clone()
    view = views[0]
    if grad or len(views) > 1 or not spans(view) or any(s < 0 for s in view.strides):
        return None
    if bound is None and view.size != slot.numel:
        return None
    flat = torch.empty(slot.numel, dtype=chunks[0].dtype, device=chunks[0].device)
    if view.size != slot.numel and bound is not None:
        flat.copy_(bound.reshape(-1))
    flat.as_strided(view.shape, view.strides, view.offset).copy_(chunks[0].reshape(view.shape))
    return flat


def _agree(
    slot: Slot, flat: Tensor, index: Tensor, chunks: Tensor, counts: Tensor, reduce: str
) -> Tensor:
    """Elements on several edges: all their values are one, or are averaged."""
    now = _bits(flat)[index].view(flat.dtype)
    differs = ~_equal_bits(now, chunks)
    if reduce == "mean" and chunks.requires_grad:
        return _mean(flat, index, chunks, counts)  # every edge has its share of the gradient
    if not bool(differs.any()):
        return flat
    if reduce == "mean":
        mean = _mean(flat, index, chunks, counts)
        # those that agree keep their bits: the mean of equal numbers may round
        wrong = torch.zeros(slot.numel, dtype=torch.bool, device=flat.device)
        wrong[index[differs]] = True
        return torch.where(wrong, mean, flat)
    element = int(index[differs][0])
    position = tuple(int(i) for i in np.unravel_index(element, slot.shape or (1,)))
    raise GraphError(
        f"element {position} of tied slot {slot.name!r} is on {int(counts[element])} edges with "
        f"different values ({int(differs.sum())} such edges in all)",
        hint='give these edges equal values, or pass reduce="mean"',
    )


def _mean(flat: Tensor, index: Tensor, chunks: Tensor, counts: Tensor) -> Tensor:
    wide = chunks.dtype
    if not wide.is_complex:
        wide = torch.float32 if wide.itemsize < 4 else torch.float64
    total = torch.zeros(len(flat), dtype=wide, device=flat.device)
    total = total.index_add(0, index, chunks.to(wide)) / counts.clamp(min=1)
    return torch.where(counts > 0, _cast(total, flat.dtype), flat)


def _restore(slot: Slot, flat: Tensor, bound: Tensor | None) -> Tensor:
    """Back to the dtype of the slot; an element that did not change keeps the bits it had."""
    if flat.dtype == slot.dtype:
        return flat
    cast = _cast(flat, slot.dtype)
    if bound is None or flat.requires_grad:
        return cast
    old = bound.reshape(-1).to(flat.device)
    return torch.where(_equal_bits(old.to(flat.dtype), flat), old, cast)


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if tensor.dtype.is_complex and not dtype.is_complex:
        tensor = tensor.real
    if tensor.dtype.is_floating_point and not dtype.is_floating_point and not dtype.is_complex:
        tensor = tensor if dtype == torch.bool else tensor.round()
    return tensor.to(dtype)


def _is_identity(view: IndexMap, numel: int) -> bool:
    if view.table is not None or view.offset != 0 or view.size != numel:
        return False
    step = 1
    for n, s in zip(reversed(view.shape), reversed(view.strides), strict=True):
        if n > 1 and s != step:
            return False
        step *= n
    return True


def _bits(tensor: Tensor) -> Tensor:
    """The elements, flat, as integers of the same width (shares memory where it can)."""
    flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return flat.view(_BITS[flat.element_size()])


def _equal_bits(a: Tensor, b: Tensor) -> Tensor:
    """Elementwise, NaN payloads and signs of zeros included."""
    width = a.element_size()
    left, right = (_bits(t).view(torch.int64 if width == 16 else _BITS[width]) for t in (a, b))
    same = left == right
    return same.reshape(-1, 2).all(1) if width == 16 else same


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal dtype, shape and bits."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return a is b or bool(_equal_bits(a, b).all())


def same_values(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    """Equal names with bit-equal tensors."""
    return a is b or (a.keys() == b.keys() and all(same_bits(a[n], b[n]) for n in a))
