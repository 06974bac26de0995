"""What stands in graph.pt (files.py describes it): graphs to plain builtins and back, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmn_fx.errors import FileError
from gmn_fx.graph.arrays import materialise
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Equality, Group, ParameterGraph, Slot
from gmn_fx.graph.schema import schema_of
from gmn_fx.graph.verify import check_values, verify

FORMAT = "gmn-fx.parameter-graph"
VERSION = 1


def encode(graph: ParameterGraph, *, dense: bool) -> dict[str, Any]:
    """The content of the file."""
    schema = schema_of(graph)
    out: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "name": graph.name,
        "num_nodes": graph.num_nodes,
        "num_edges": graph.num_edges,
        "num_parameters": graph.num_parameters,
        "signature": graph.signature,
        "histories": list(graph.histories),
        "notes": list(graph.notes),
        "meta": {str(k): str(v) for k, v in sorted(graph.meta.items())},
        "established": sorted(graph.established),
        "unread": [[name, count] for name, count in graph.unread],
        "slots": [_slot(slot) for slot in graph.slots],
        "groups": [_group(group) for group in graph.groups],
        "bundles": [_bundle(bundle) for bundle in graph.bundles],
        "equalities": [
            {"left": _map(e.left), "right": _map(e.right), "why": e.why} for e in graph.equalities
        ],
        "values": {name: _value(tensor) for name, tensor in graph.values.items()},
        "node_columns": list(schema.node_columns),
        "edge_columns": list(schema.edge_columns),
        "vocabularies": {key: dict(words) for key, words in schema.vocabularies.items()},
    }
    if dense:
        out.update(_dense(graph))
    return out


def _dense(graph: ParameterGraph) -> dict[str, Tensor]:
    arrays = materialise(graph)
    out = {
        "x": arrays.x,
        "edge_index": arrays.edge_index,
        "edge_type": arrays.edge_type,
        "edge_param": arrays.edge_param,
    }
    if arrays.edge_value is not None:
        out["edge_value"] = arrays.edge_value
    return out


def _value(tensor: Tensor) -> Tensor:
    """A plain tensor that owns just its elements: torch.save writes whole storages."""
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    fits = plain.untyped_storage().nbytes() == plain.numel() * plain.element_size()
    return (
        plain
        if fits and plain.is_contiguous()
        else plain.clone(memory_format=torch.contiguous_format)
    )


def _slot(slot: Slot) -> dict[str, Any]:
    return {
        "name": slot.name,
        "shape": list(slot.shape),
        "dtype": str(slot.dtype).removeprefix("torch."),
        "offset": slot.offset,
        "trainable": slot.trainable,
        "aliases": list(slot.aliases),
        "used": slot.used,
        "reason": slot.reason,
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "kind": group.kind,
        "op": group.op,
        "start": group.start,
        "size": group.size,
        "depth": group.depth,
        "label": _map(group.label),
        "pin": _map(group.pin),
        "name": group.name,
        "source": group.source,
    }


def _bundle(bundle: Bundle) -> dict[str, Any]:
    return {
        "kind": bundle.kind,
        "op": bundle.op,
        "shape": list(bundle.shape),
        "src": _map(bundle.src),
        "dst": _map(bundle.dst),
        "slot": bundle.slot,
        "view": None if bundle.view is None else _map(bundle.view),
        "label": _map(bundle.label),
        "history": _map(bundle.history),
        "operand": bundle.operand,
        "depth": bundle.depth,
        "tied": bundle.tied,
        "name": bundle.name,
    }


def _map(m: IndexMap) -> dict[str, Any]:
    out: dict[str, Any] = {
        "shape": [int(n) for n in m.shape],
        "offset": int(m.offset),
        "strides": [int(s) for s in m.strides],
    }
    if m.table is not None:
        out["table"] = torch.from_numpy(np.array(m.table))
    return out


def decode(content: Mapping[str, Any]) -> ParameterGraph:
    """The graph in `content`, checked: nothing in it points outside of anything."""
    if content["version"] != VERSION:
        raise FileError(
            f"it has version {content['version']!r} of the format, this gmn-fx reads {VERSION}",
            hint="use the version of gmn-fx that wrote it",
        )
    graph = ParameterGraph(
        name=_text(content["name"]),
        slots=tuple(_read_slot(s) for s in content["slots"]),
        groups=tuple(_read_group(g) for g in content["groups"]),
        bundles=tuple(_read_bundle(b) for b in content["bundles"]),
        histories=tuple(_text(h) for h in content["histories"]),
        equalities=tuple(
            Equality(_read_map(e["left"]), _read_map(e["right"]), _text(e["why"]))
            for e in content["equalities"]
        ),
        unread=tuple((_text(name), _int(count)) for name, count in content["unread"]),
        notes=tuple(_text(n) for n in content["notes"]),
        meta={_text(k): _text(v) for k, v in content["meta"].items()},
        values=_read_values(content["values"]),
        established=frozenset(_text(e) for e in content["established"]),
    )
    verify(graph, level="structure")
    check_values(graph)
    return graph


def _read_slot(d: Mapping[str, Any]) -> Slot:
    dtype = getattr(torch, _text(d["dtype"]), None)
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"{d['dtype']!r} is not a dtype")
    return Slot(
        _text(d["name"]), _ints(d["shape"]), dtype, _int(d["offset"]), _bool(d["trainable"]),
        tuple(_text(a) for a in d["aliases"]), _bool(d["used"]), _text(d["reason"]),
    )  # fmt: skip


def _read_group(d: Mapping[str, Any]) -> Group:
    return Group(
        _text(d["kind"]), _text(d["op"]), _int(d["start"]), _int(d["size"]), _int(d["depth"]),
        _read_map(d["label"]), _read_map(d["pin"]), _text(d["name"]), _text(d["source"]),
    )  # fmt: skip


def _read_bundle(d: Mapping[str, Any]) -> Bundle:
    return Bundle(
        _text(d["kind"]), _text(d["op"]), _ints(d["shape"]), _read_map(d["src"]),
        _read_map(d["dst"]), None if d["slot"] is None else _text(d["slot"]),
        None if d["view"] is None else _read_map(d["view"]), _read_map(d["label"]),
        _read_map(d["history"]), _int(d["operand"]), _int(d["depth"]), _bool(d["tied"]),
        _text(d["name"]),
    )  # fmt: skip


def _read_map(d: Mapping[str, Any]) -> IndexMap:
    shape, strides = _ints(d["shape"]), _ints(d["strides"])
    if len(shape) != len(strides) or any(n < 0 for n in shape):
        raise ValueError(f"a map of shape {shape} and strides {strides}")
    table = d.get("table")
    if table is None:
        return IndexMap(shape, _int(d["offset"]), strides)
    if (
        not isinstance(table, Tensor)
        or table.dim() != 1
        or table.layout != torch.strided
        or table.dtype not in (torch.int32, torch.int64)
    ):
        raise TypeError("the table of a map is not a vector of int32 or int64")
    return IndexMap(shape, _int(d["offset"]), strides, table.contiguous().numpy())


def _read_values(values: Any) -> dict[str, Tensor]:
    if not isinstance(values, dict):
        raise TypeError("values is not a dict")
    for name, tensor in values.items():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.is_quantized:
            raise TypeError(f"the value of {name!r} is not a plain tensor")
    return {_text(name): tensor.detach() for name, tensor in values.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is not a string")
    return value


def _int(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r:.80} is not an integer")
    return value


def _ints(values: Any) -> tuple[int, ...]:
    return tuple(_int(v) for v in values)


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.80} is not a boolean")
    return value
