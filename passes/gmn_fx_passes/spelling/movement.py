"""One spelling for every op that only moves elements."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from gmn_fx.ir.edit import arguments, shape_of
from gmn_fx_passes.spelling.common import (
    Rewrite,
    aten,
    dtype_of,
    rank,
    respell,
    step,
    table_decorator,
    wrap,
    wrap_all,
)

TABLE: dict[Any, Rewrite] = {}
GETITEM: dict[Any, Rewrite] = {}
rewrites = table_decorator(TABLE)
rewrites_result = table_decorator(GETITEM)


@rewrites(
    "clone", "detach", "alias", "lift", "lift_fresh", "contiguous", "positive", "resolve_conj",
    "resolve_neg", "to", "_to_copy", "type_as", "copy",
)  # fmt: skip
def _identity(node: fx.Node) -> fx.Node | None:
    """Copies and casts: nothing, or `_to_copy` where the dtype really changes."""
    source = node.args[0]
    if node.target is aten.copy.default:
        return _written_over(node)
    assert isinstance(source, fx.Node)
    if dtype_of(source) == dtype_of(node):
        return source
    return respell(node, aten._to_copy.default, (source,), {"dtype": dtype_of(node)})


def _written_over(node: fx.Node) -> fx.Node | None:
    """`copy(old, new)`: the new values in the shape and dtype of the old ones."""
    value = node.args[1]
    assert isinstance(value, fx.Node)
    if dtype_of(value) != dtype_of(node):
        value = step(node, aten._to_copy.default, value, dtype=dtype_of(node))
    if shape_of(value) != shape_of(node):
        value = step(node, aten.expand.default, value, shape_of(node))
    return value


@rewrites(
    "view.default", "reshape.default", "_unsafe_view", "_reshape_alias", "flatten.using_ints",
    "unflatten.int", "view_as", "reshape_as", "ravel",
)  # fmt: skip
def _reshape(node: fx.Node) -> fx.Node | None:
    """Everything that keeps the row-major order is `reshape` with explicit sizes.

    `reshape`, not `view`: it is a function of the values alone, whatever strides they have.
    """
    source = node.args[0]
    assert isinstance(source, fx.Node)
    if shape_of(source) == shape_of(node):
        return source
    if source.target is aten.reshape.default:
        source = source.all_input_nodes[0]
    if shape_of(source) == shape_of(node):
        return source
    return respell(node, aten.reshape.default, (source, shape_of(node)))


@rewrites(
    "permute", "transpose.int", "t", "numpy_T", "mT", "mH", "matrix_H", "adjoint", "swapaxes",
    "swapdims", "movedim", "moveaxis",
)  # fmt: skip
def _permute(node: fx.Node) -> fx.Node | None:
    """Every exchange of axes is `permute`."""
    source = node.args[0]
    assert isinstance(source, fx.Node)
    # Axes of different sizes show where each one goes.
    probe = torch.empty(tuple(range(2, 2 + rank(source))), device="meta")
    target: Any = node.target
    order = [n - 2 for n in target(probe, *node.args[1:], **node.kwargs).shape]
    if order == list(range(len(order))):
        return source
    if source.target is aten.permute.default:
        inner: Any = source.args[1]
        source, order = source.all_input_nodes[0], [inner[axis] for axis in order]
        if order == list(range(len(order))):
            return source
    return respell(node, aten.permute.default, (source, order))


@rewrites("expand", "expand_as", "broadcast_to")
def _expand(node: fx.Node) -> fx.Node | None:
    source = node.args[0]
    assert isinstance(source, fx.Node)
    if shape_of(source) == shape_of(node):
        return source
    return respell(node, aten.expand.default, (source, shape_of(node)))


@rewrites("squeeze.default", "squeeze.dim", "squeeze.dims")
def _squeeze(node: fx.Node) -> fx.Node | None:
    source = node.args[0]
    assert isinstance(source, fx.Node)
    sizes = shape_of(source)
    asked = arguments(node).get("dim")
    dims = [d for d in wrap_all(asked, len(sizes)) if sizes[d] == 1] if sizes else []
    if not dims or asked == []:
        return source
    return respell(node, aten.squeeze.dims, (source, sorted(dims)))


@rewrites("slice.Tensor", "narrow")
def _slice(node: fx.Node) -> fx.Node | None:
    source = node.args[0]
    assert isinstance(source, fx.Node)
    given = arguments(node)
    dim, size = wrap(given["dim"], rank(source)), 0
    size = shape_of(source)[dim]
    if node.target is aten.slice.Tensor:
        start, end, stride = slice(given["start"], given["end"], given["step"]).indices(size)
    elif isinstance(given["start"], fx.Node):
        return None
    else:
        start = given["start"] % size if size else 0
        end, stride = start + given["length"], 1
    end = max(start, end)
    if (start, end, stride) == (0, size, 1):
        return source
    return respell(node, aten.slice.Tensor, (source, dim, start, end, stride))


@rewrites("select.int")
def _select(node: fx.Node) -> fx.Node | None:
    source, dim, index = node.args
    assert isinstance(source, fx.Node)
    dim = wrap(dim, rank(source))  # type: ignore[arg-type]
    return respell(node, aten.select.int, (source, dim, index % shape_of(source)[dim]))  # type: ignore[operator]


@rewrites("slice_scatter", "select_scatter")
def _scatter(node: fx.Node) -> fx.Node | None:
    """Writing a range of an axis: the parts before and after it, joined with what is written."""
    given = arguments(node)
    into, value = given["self"], given["src"]
    dim = wrap(given["dim"], rank(into))
    size = shape_of(into)[dim]
    if "index" in given:
        start = given["index"] % size
        end, stride = start + 1, 1
        value = step(node, aten.unsqueeze.default, value, dim)
    else:
        start, end, stride = slice(given["start"], given["end"], given["step"]).indices(size)
    if stride != 1:
        return None
    end = max(start, end)
    if dtype_of(value) != dtype_of(into):
        value = step(node, aten._to_copy.default, value, dtype=dtype_of(into))
    parts = [value] if end > start else []
    if start > 0:
        parts.insert(0, step(node, aten.slice.Tensor, into, dim, 0, start))
    if end < size:
        parts.append(step(node, aten.slice.Tensor, into, dim, end, size))
    return respell(node, aten.cat.default, (parts, dim)) if len(parts) > 1 else parts[0]


@rewrites("cat.default")
def _cat(node: fx.Node) -> fx.Node | None:
    parts: Any = node.args[0]
    # A tensor of shape (0,) may be joined with anything; it adds nothing.
    solid = [p for p in parts if shape_of(p) != [0]] or [parts[0]]
    if len(solid) == 1 and dtype_of(solid[0]) == dtype_of(node):
        return solid[0]
    return respell(node, aten.cat.default, (solid, arguments(node)["dim"]))


@rewrites("stack")
def _stack(node: fx.Node) -> fx.Node | None:
    parts: Any = node.args[0]
    dim = wrap(arguments(node)["dim"], rank(node))
    return respell(
        node, aten.cat.default, ([step(node, aten.unsqueeze.default, p, dim) for p in parts], dim)
    )


@rewrites("repeat", "tile")
def _repeat(node: fx.Node) -> fx.Node | None:
    source, repeats = node.args[0], list(node.args[1])  # type: ignore[arg-type]
    assert isinstance(source, fx.Node)
    repeats = [1] * (rank(source) - len(repeats)) + repeats
    if len(repeats) == rank(source) and all(r == 1 for r in repeats):
        return source
    return respell(node, aten.repeat.default, (source, repeats))


@rewrites("pad", "constant_pad_nd", "_pad_circular", "_pad_enum")
def _pad(node: fx.Node) -> fx.Node | None:
    given = arguments(node)
    source, widths = given["self"], list(given["pad"])
    if not any(widths):
        return source
    circular = node.target is aten._pad_circular.default
    mode = given.get("mode", "circular" if circular else "constant")
    if mode in (0, "constant"):
        filling = given.get("value")
        return respell(
            node, aten.constant_pad_nd.default, (source, widths, 0 if filling is None else filling)
        )
    named = {1: "reflect", 2: "replicate", 3: "circular"}.get(mode, mode)
    return respell(node, aten.pad.default, (source, widths, named))


@rewrites("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def _pad_reflect(node: fx.Node) -> fx.Node | None:
    return respell(node, aten.pad.default, (node.args[0], node.args[1], "reflect"))


@rewrites("replication_pad1d", "replication_pad2d", "replication_pad3d")
def _pad_replicate(node: fx.Node) -> fx.Node | None:
    return respell(node, aten.pad.default, (node.args[0], node.args[1], "replicate"))


@rewrites(
    "full", "zeros", "ones", "zeros_like", "ones_like", "full_like", "new_zeros", "new_ones",
    "new_full", "scalar_tensor", "fill", "zero",
)  # fmt: skip
def _full(node: fx.Node) -> fx.Node | None:
    """Constant tensors of every kind are `full`, which reads no other tensor."""
    given = arguments(node)
    base = node.target._schema.name  # type: ignore[union-attr]
    value = 0 if "zero" in base else 1 if "ones" in base else None
    if value is None:
        value = next(given[k] for k in ("fill_value", "value", "s") if k in given)
    if isinstance(value, fx.Node):
        return _filled_by_node(node, value)
    return respell(node, aten.full.default, (shape_of(node), value), {"dtype": dtype_of(node)})


def _filled_by_node(node: fx.Node, value: fx.Node) -> fx.Node:
    if dtype_of(value) != dtype_of(node):
        value = step(node, aten._to_copy.default, value, dtype=dtype_of(node))
    return step(node, aten.expand.default, value, shape_of(node))


@rewrites_result(
    "split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk",
    "unsafe_split_with_sizes", "hsplit", "vsplit", "dsplit",
)  # fmt: skip
def _piece(node: fx.Node) -> fx.Node | None:
    """A piece of a split tensor is a slice of it."""
    whole, source = node.all_input_nodes[0], node.all_input_nodes[0].all_input_nodes[0]
    pieces = [list(p.shape) for p in whole.meta["val"]]
    full = shape_of(source)
    position: Any = node.args[1]
    index = int(position) % len(pieces)
    dim = arguments(whole).get("dim")
    if dim is None:  # hsplit and its like name the axis by the op
        base = whole.target._schema.name  # type: ignore[union-attr]
        dim = {"aten::hsplit": min(1, len(full) - 1), "aten::vsplit": 0, "aten::dsplit": 2}[base]
    dim = wrap(dim, len(full))
    start = sum(p[dim] for p in pieces[:index])
    if pieces[index] == full:
        return source
    return respell(node, aten.slice.Tensor, (source, dim, start, start + pieces[index][dim]))


@rewrites_result("unbind")
def _unbound(node: fx.Node) -> fx.Node | None:
    whole, index = node.args
    assert isinstance(whole, fx.Node)
    source: Any = whole.args[0]
    dim = wrap(arguments(whole)["dim"], rank(source))
    return respell(node, aten.select.int, (source, dim, index % shape_of(source)[dim]))  # type: ignore[operator]
