"""Data movement: run as it is, on ids. Moves along positions leave a trace in the history."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gmn_fx.lowering import Act, Builder, Value
from gmn_fx.lowering.axes import compress, cut, varying
from gmn_fx.lowering.choice import reads_choices
from gmn_fx.lowering.movement import cat, const, move
from gmn_fx.lowering.reduce import mixed, opaque, positional
from gmn_fx.lowering.selected import each_option, rows_alike

from ..plugin import plugin
from .pointwise import elementwise

aten = torch.ops.aten


@plugin.lowering(operator.getitem)
@reads_choices
@each_option
@rows_alike
def getitem(b: Builder, value: Any, index: int) -> Any:
    """One result of an op with several."""
    return value[index]


@plugin.lowering(aten.view.default, aten._unsafe_view, aten.reshape)
@reads_choices
@each_option
@rows_alike
def view(b: Builder, x: Value, shape: list[int]) -> Value:
    """Reshape."""
    target = b.shape
    return move(b, lambda t: t.reshape(target), x)  # type: ignore[return-value]


@plugin.lowering(
    aten.permute,
    aten.transpose,
    aten.t,
    aten.unsqueeze,
    aten.squeeze,
    aten.unflatten,
    aten.flatten,
    aten.movedim,
    aten.swapaxes,
    aten.diagonal,
    aten.pixel_shuffle,
    aten.pixel_unshuffle,
    aten.channel_shuffle,
    aten.native_channel_shuffle,
    aten.unfold,
    aten.numpy_T,
    aten.adjoint,
)
@reads_choices
@each_option
@rows_alike
def rearrange(b: Builder, x: Value, *args: Any, **kwargs: Any) -> Value:
    """Moves that only rearrange axes."""
    target = b.node.target  # type: ignore[union-attr]
    return move(b, lambda t: target(t, *args, **kwargs), x)  # type: ignore[return-value,operator,misc]


@plugin.lowering(aten.expand, aten.repeat, aten.broadcast_to, aten.tile, aten.expand_as)
@reads_choices
@each_option
@rows_alike
def expand(b: Builder, x: Value, *_: Any, **__: Any) -> Value:
    """Repetition: along new or single axes it stays free."""
    target = b.shape
    if b.node is not None and str(b.node.target) in ("aten.repeat.default", "aten.tile.default"):
        times = _times(x.shape, target)
        return move(b, lambda t: _repeat(t, times), x)  # type: ignore[return-value]
    return move(b, lambda t: t.expand(target), x)  # type: ignore[return-value]


def _times(shape: tuple[int, ...], target: tuple[int, ...]) -> list[int]:
    wide = (1,) * (len(target) - len(shape)) + tuple(shape)
    return [t // s if s else 1 for s, t in zip(wide, target, strict=True)]


def _repeat(t: Tensor, times: list[int]) -> Tensor:
    while t.dim() < len(times):
        t = t.unsqueeze(0)
    shape = [n * k for n, k in zip(t.shape, times, strict=True)]
    if all(k == 1 or n == 1 for n, k in zip(t.shape, times, strict=True)):
        return t.expand(shape)
    return t.repeat(times)


@plugin.lowering(aten.repeat_interleave.self_int)
@reads_choices
def repeat_interleave(
    b: Builder, x: Value, repeats: int, dim: int | None = None, **_: Any
) -> Value:
    """Each element `repeats` times."""
    axis = 0 if dim is None else dim % len(x.shape)

    def fn(t: Tensor) -> Tensor:
        t = t.reshape(-1) if dim is None else t
        return (
            t.unsqueeze(axis + 1)
            .expand(*t.shape[: axis + 1], repeats, *t.shape[axis + 1 :])
            .flatten(axis, axis + 1)
        )

    return move(b, fn, x)  # type: ignore[return-value]


@plugin.lowering(aten.as_strided)
def as_strided(
    b: Builder, x: Value, size: list[int], stride: list[int], offset: Any = None
) -> Value:
    """A window over memory, in which `x` lies as it did when it was captured."""
    val = b.node.args[0].meta["val"]  # type: ignore[union-attr]
    inner, first = val.stride(), val.storage_offset()
    start = first if offset is None else offset
    least = min(first, start)
    reach = [(x.shape, inner, first), (size, stride, start)]
    span = max(o - least + sum((n - 1) * s for n, s in zip(ns, ss, strict=True))
               for ns, ss, o in reach) + 1  # fmt: skip

    def fn(t: Tensor) -> Tensor:
        memory = t.new_zeros(span)
        memory.as_strided(t.shape, inner, first - least).copy_(t)
        return memory.as_strided(size, stride, start - least).clone()

    return move(b, fn, x)  # type: ignore[return-value]


@plugin.lowering(aten.view_as_complex)
def view_as_complex(b: Builder, x: Value) -> Value:
    """A function of two elements: the real and the imaginary part."""
    parts = [move(b, lambda t, i=i: t.select(-1, i), x) for i in (0, 1)]
    return elementwise(b, "complex", tuple(parts), {})


@plugin.lowering(aten.view_as_real)
def view_as_real(b: Builder, x: Value) -> Value:
    """Two functions of an element, side by side."""
    shape = b.shape
    wide = b.as_act(move(b, lambda t: t.unsqueeze(-1).expand(shape), b.as_act(x)))  # type: ignore[arg-type]
    code = torch.arange(2).reshape([2 if d == len(shape) - 1 else 1 for d in range(len(shape))])
    keep = varying(wide.hist) | {len(shape) - 1}
    past = b.store.extend_each(
        cut(wide.hist.expand(shape), keep).expand(
            [n if d in keep else 1 for d, n in enumerate(shape)]
        ),
        code,
        ["real", "imag"],
    )
    return replace(wide, hist=compress(past.expand(shape)))


@plugin.lowering(aten.col2im)
def col2im(
    b: Builder,
    x: Value,
    size: list[int],
    kernel: list[int],
    dilation: list[int],
    padding: list[int],
    stride: list[int],
) -> Value:
    """Windows are added up where they overlap; where they do not, it is movement."""
    act = b.canonical(b.as_act(x))
    apart = list(kernel) == list(stride) and set(dilation) == {1} and set(padding) == {0}
    whole = all(n % k == 0 for n, k in zip(size, kernel, strict=True))
    if not (apart and whole):
        return opaque(b, [act], b.shapes, "col2im")[0]
    return move(
        b,
        lambda t: aten.col2im(t.double(), size, kernel, dilation, padding, stride).to(t.dtype),
        act,
    )  # type: ignore[return-value]


def _free(b: Builder, x: Value, dim: int) -> bool:
    """Whether `dim` is an axis of positions of an activation."""
    return isinstance(x, Act) and len(x.shape) > 0 and not x.on(dim)


@plugin.lowering(aten.slice)
@reads_choices
@each_option
@rows_alike
def slice_(
    b: Builder, x: Value, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Value:
    """A range of an axis."""
    n = x.shape[dim]
    first, stop, _ = slice(start, end, step).indices(n)
    trace = ""
    if _free(b, x, dim) and (first > 0 or step > 1) and n > 1:
        half = step == 1 and n > 2 and 2 * first == n and stop >= n  # of a batch of pairs
        where = "half" if half else _place(first, n)
        trace = f"slice[{dim % len(x.shape) - len(x.shape)},{where},{step}]"

    def fn(t: Tensor) -> Tensor:
        index = [slice(None)] * t.dim()
        index[dim] = slice(first, stop, step)
        return t[tuple(index)]

    return move(b, fn, x, positional=trace)  # type: ignore[return-value]


def _place(index: int, size: int) -> int:
    """From the nearer end, so that it does not depend on the size of the example."""
    return index if 2 * index < size else index - size


@plugin.lowering(aten.select.int)
@reads_choices
@each_option
@rows_alike
def select(b: Builder, x: Value, dim: int, index: int) -> Value:
    """One entry of an axis."""
    n = x.shape[dim]
    trace = (
        f"select[{dim % len(x.shape) - len(x.shape)},{_place(index % n, n)}]"
        if _free(b, x, dim) and n > 1
        else ""
    )
    return move(b, lambda t: t.select(dim, index), x, positional=trace)  # type: ignore[return-value]


@plugin.lowering(
    aten.split,
    aten.split_with_sizes,
    aten.chunk,
    aten.unbind,
    aten.tensor_split,
    aten.unsafe_split,
    aten.unsafe_chunk,
)
@reads_choices
@each_option
@rows_alike
def split(b: Builder, x: Value, *args: Any, **kwargs: Any) -> Any:
    """Pieces of an axis."""
    target = b.node.target  # type: ignore[union-attr]
    dim = kwargs.get(
        "dim", args[-1] if target is aten.unbind.int and args else args[1] if len(args) > 1 else 0
    )
    parts = move(b, lambda t: tuple(target(t, *args, **kwargs)), x)  # type: ignore[operator,misc]
    if not _free(b, x, dim) or x.shape[dim] < 2:
        return parts
    return tuple(b.step(p, f"part {i}") if i else p for i, p in enumerate(parts))  # type: ignore[arg-type,union-attr]


@plugin.lowering(aten.roll, aten.flip)
def shift(b: Builder, x: Value, *args: Any) -> Value:
    """Roll and flip; along positions they are part of the history."""
    target = b.node.target  # type: ignore[union-attr]
    dims = list(args[-1]) if args and (target is aten.flip.default or len(args) > 1) else []
    name = target.overloadpacket.__name__  # type: ignore[union-attr]
    moved = args[0] if target is aten.roll.default else ""
    free = bool(dims) and all(_free(b, x, d) for d in dims)
    where = ",".join(str(d % len(x.shape) - len(x.shape)) for d in dims)
    trace = f"{name}[{moved};{where}]" if free else ""
    return move(b, lambda t: target(t, *args), x, positional=trace)  # type: ignore[return-value,operator,misc]


@plugin.lowering(aten.cat)
def concatenate(b: Builder, values: Any, dim: int = 0) -> Value:
    """Join along an axis of features, or of positions."""
    values = [v for v in values if v.shape != (0,)]
    axis = dim % len(values[0].shape)
    return cat(b, values, axis, lambda *ts: torch.cat(ts, axis))


@plugin.lowering(aten.stack)
def stack(b: Builder, values: Any, dim: int = 0) -> Value:
    """Join along a new axis."""
    axis = dim % (len(values[0].shape) + 1)
    wide = [move(b, lambda t: t.unsqueeze(axis), v) for v in values]
    return cat(b, wide, axis, lambda *ts: torch.cat(ts, axis))  # type: ignore[arg-type]


@plugin.lowering(aten.pad_sequence)
def pad_sequence(
    b: Builder, parts: Any, batch_first: bool = False, value: float = 0.0, side: str = "right"
) -> Value:
    """Sequences of several lengths, padded to the longest, along a new axis."""
    longest = max(p.shape[0] for p in parts)
    before = 0 if side == "right" else 1
    gaps = [longest - p.shape[0] for p in parts]
    wide = [_pad_axis(b, p, 0, gap * before, gap * (1 - before), value)
            for p, gap in zip(parts, gaps, strict=True)]  # fmt: skip
    return stack(b, wide, 0 if batch_first else 1)


@plugin.lowering(aten.constant_pad_nd)
def pad(b: Builder, x: Value, padding: list[int], value: float = 0) -> Value:
    """Constants around: positions are part of the history, features get constant neurons."""
    rank = len(x.shape)
    dims = [rank - 1 - i // 2 for i in range(0, len(padding), 2) if padding[i] or padding[i + 1]]
    if isinstance(x, Act) and all(_free(b, x, d) for d in dims):
        out = positional(b, x, dims, b.shape, f"pad({list(padding)},{value})")
        assert out is not None
        return out
    for i in range(0, len(padding), 2):
        x = _pad_axis(b, x, rank - 1 - i // 2, padding[i], padding[i + 1], value)
    return x


@plugin.lowering(aten.pad)
def pad_by_mode(
    b: Builder, x: Value, padding: list[int], mode: str = "constant", value: Any = None
) -> Value:
    """`F.pad` with its mode as an argument."""
    if mode == "constant":
        return pad(b, x, padding, value or 0)
    dims = [len(x.shape) - 1 - i for i in range(len(padding) // 2)]
    out = mixed(b, b.as_act(x), dims, b.shape, f"pad({list(padding)},{mode})")
    assert out is not None
    return out


@plugin.lowering(aten.im2col)
def im2col(
    b: Builder,
    x: Value,
    kernel: list[int],
    dilation: list[int],
    padding: list[int],
    stride: list[int],
) -> Value:
    """Windows become channels: (channel, offset) pairs."""
    height, width = padding

    def fn(t: Tensor) -> Tensor:
        wide = t.double()
        if height or width:  # ids repeat at the border, the zeros there are part of the history
            wide = torch.nn.functional.pad(wide, (width, width, height, height), mode="replicate")
        return aten.im2col(wide, kernel, dilation, [0, 0], stride).to(t.dtype)

    return move(b, fn, x, positional=f"unfold padding {padding}" if height or width else "")  # type: ignore[return-value]


def _pad_axis(b: Builder, x: Value, dim: int, before: int, after: int, value: float) -> Value:
    if before < 0 or after < 0:
        start, stop = max(0, -before), x.shape[dim] - max(0, -after)
        x = move(b, lambda t: t.narrow(dim, start, stop - start), x)  # type: ignore[assignment]
    parts: list[Value] = [x]
    for size, front in ((before, True), (after, False)):
        if size > 0:
            shape = [size if d == dim else n for d, n in enumerate(x.shape)]
            filler = const(b, torch.tensor(float(value)).expand(shape))
            parts.insert(0, filler) if front else parts.append(filler)
    return parts[0] if len(parts) == 1 else cat(b, parts, dim, lambda *ts: torch.cat(ts, dim))


@plugin.lowering(aten.tril, aten.triu)
def triangle(b: Builder, x: Value, diagonal: int = 0) -> Value:
    """Zero one triangle of the last two axes."""
    name = b.node.target.overloadpacket.__name__  # type: ignore[union-attr]
    if isinstance(x, Act):
        out = mixed(b, x, [-2, -1], x.shape, f"{name}({diagonal})")
        assert out is not None
        return out
    mask = getattr(torch, name)(torch.ones(x.shape), diagonal)
    return elementwise(b, "mul", (x, const(b, mask)), {})
