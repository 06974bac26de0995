"""Elementwise operations of a value and a constant tensor.

Where the constant is the same for all neurons it is a step of the history. Where it differs along
the neurons of one factor, so do their histories. Where it differs along two factors at once (a
mask, the identity matrix) it is a matrix itself: a node for each of its rows and columns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gmn_fx.lowering import Act, Builder, Const, Par, Value
from gmn_fx.lowering.axes import broadcast, compress, core, cut, varying
from gmn_fx.lowering.join import Spec, join
from gmn_fx.lowering.movement import const
from gmn_fx.lowering.noise import met
from gmn_fx.lowering.values import Origin

COMMUTATIVE = frozenset(
    {
        "add",
        "mul",
        "maximum",
        "minimum",
        "logical_and",
        "logical_or",
        "logical_xor",
        "eq",
        "ne",
        "fmax",
        "fmin",
        "hypot",
        "logaddexp",
        "logaddexp2",
    }
)
# A larger matrix of constants is not written down entry by entry.
_MOST_ENTRIES = 1 << 16
# Operands that change nothing: `total = 0; total = total + x` is no function on the way.
NEUTRAL = (("add", 0), ("sub", 0), ("mul", 1), ("div", 1))


def with_const(
    b: Builder, x: Value, c: Const, shape: tuple[int, ...], op: str, position: int, text: str
) -> Value:
    """`op` of `x` and a constant, which is operand number `position`."""
    if b.store.silent:
        return widened(x, shape)  # type: ignore[no-any-return]
    name = op if op in COMMUTATIVE else f"{op}@{position}"
    if isinstance(x, Act | Par):
        c = met(c, widened(x, shape))
    if c.noise:
        return _step(b, widened(x, shape), f"{name}({c.noise})")
    if c.value is not None and (c.uniform or not c.value.numel()):
        return _with_number(b, widened(x, shape), c.value, name, text)
    wide = widened(x, shape)
    value = None if c.value is None else compress(c.value.expand(shape))
    spread = (
        varying(value)
        if value is not None
        else {a + len(shape) - len(c.shape) for a, n in enumerate(c.shape) if n > 1}
    )
    axes = sorted(set(spread) & _neuron_axes(wide, x, shape))
    texts, codes = _classes(b, value, c, axes, shape)
    if not axes:
        return _step(b, wide, f"{name}({texts[0]})")
    matrix = _constant_matrix(b, wide, texts, codes, axes) if value is not None else None
    if matrix is not None:
        operands = (-1, -1) if op in COMMUTATIVE else (1 - position, position)
        attr = "" if text in (op, f"{op}(·)") else text
        return join(b, [wide, matrix], shape, Spec(op, operands, attr=attr))
    past = broadcast(wide.hist, shape)
    steps = [_step_text(name, op, what) for what in texts]
    hist = b.store.extend_each(cut(past, set(axes) | varying(past)), codes, steps)
    out = replace(wide, hist=compress(hist.expand(shape)))
    if isinstance(out, Par) and op == "mul" and value is not None:
        none = value == 0
        out = replace(out, zero=none if out.zero is None else none | out.zero)
    return out


def _with_number(b: Builder, x: Value, value: Tensor, name: str, text: str) -> Value:
    """`x` and a constant that is one number everywhere."""
    number = value.reshape(-1)[0].item() if value.numel() else 0
    if (name, number) in NEUTRAL and name in COMMUTATIVE:
        return x
    spelled = f"{name}({number!r})" if text.split("(")[0] == text else f"{text}[{number!r}]"
    return _step(b, x, spelled)


def _step_text(name: str, op: str, what: str) -> str:
    """The step for one class of entries; nothing for those that change nothing."""
    neutral = op in COMMUTATIVE and any(op == o and what in (str(n), f"{n}.0") for o, n in NEUTRAL)
    return "" if neutral else f"{name}({what})"


def _constant_matrix(
    b: Builder, x: Value, texts: list[str], codes: Tensor, axes: list[int]
) -> Act | None:
    """The constant as nodes for its rows and for its columns, if it crosses two factors of `x`.

    An edge joins each row and column with an entry other than the most frequent one, so that rows
    and columns change places exactly as far as the matrix allows it.
    """
    if not isinstance(x, Act) or varying(x.hist) & set(axes):
        return None
    areas = [sorted(varying(f) & set(axes)) for f in x.factors]
    areas = [a for a in areas if a]
    if len(areas) != 2 or sorted(areas[0] + areas[1]) != axes:
        return None
    usual = int(codes.flatten().mode().values)
    places = torch.nonzero(codes != usual)
    if len(places) > _MOST_ENTRIES:
        return None
    grids = [[n if a in area else 1 for a, n in enumerate(codes.shape)] for area in areas]
    ends = [b.nodes("constant", f"constant {side}", grid)
            for side, grid in zip(("rows", "columns"), grids, strict=True)]  # fmt: skip
    src, dst = (end.expand(codes.shape)[tuple(places.T)] for end in ends)
    past = [b.store.history(f"constant({what} among {texts[usual]})") for what in texts]
    hist = torch.tensor(past)[codes[tuple(places.T)]]
    b.connect(src, dst, op="constant", hist=hist)
    return b.act(x.shape, [broadcast(end, x.shape) for end in ends])


def _step(b: Builder, x: Value, text: str) -> Value:
    """One elementwise function of a value that is no constant."""
    if isinstance(x, Par):
        return replace(x, hist=b.store.extend_history(x.hist, text), zero=None)
    assert isinstance(x, Act)
    return b.step(x, text)


def _size(x: Value, axis: int, shape: tuple[int, ...]) -> int:
    own = axis - (len(shape) - len(x.shape))
    return x.shape[own] if own >= 0 else 1


def _neuron_axes(wide: Value, x: Value, shape: tuple[int, ...]) -> set[int]:
    """Axes along which the elements of `wide`, which is `x` broadcast, are different units.

    Where `x` has neurons, an axis that it lacks may hold more of them: one for each constant. Data
    without neurons has positions only; wherever these become units, each will have its place.
    """
    tensors = wide.factors if isinstance(wide, Act) else (wide.slots,)  # type: ignore[union-attr]
    if not tensors:
        return set()
    own = set().union(*(varying(t) for t in tensors))
    return own | {a for a in range(len(shape)) if _size(x, a, shape) == 1}


def _classes(
    b: Builder, value: Tensor | None, c: Const, axes: list[int], shape: tuple[int, ...]
) -> tuple[list[str], Tensor]:
    """Which coordinates along `axes` see the same constant; a name for each class."""
    grid = [n if a in axes else 1 for a, n in enumerate(shape)]
    if value is None:
        count = 1
        for n in grid:
            count *= n
        return [f"{c.key}@{i}" if axes else c.key for i in range(count)], torch.arange(
            count
        ).reshape(grid)
    small = core(value)
    small = small.expand(
        [n if a in axes else m for a, (n, m) in enumerate(zip(shape, small.shape, strict=True))]
    )
    rest = [a for a in range(len(shape)) if a not in axes]
    rows = small.permute(*axes, *rest).reshape(
        -1 if axes else 1, small.numel() // max(1, _prod(grid))
    )
    plain_rows = torch.view_as_real(rows).flatten(1) if rows.is_complex() else rows
    _, inverse = torch.unique(plain_rows, dim=0, return_inverse=True)
    # Over few positions one of the rows may be uniform by chance: a number only if all are.
    same = bool((rows == rows[:, :1]).all())
    order: dict[int, int] = {}
    texts: list[str] = []
    for number, i in enumerate(inverse.tolist()):
        if i not in order:
            order[i] = len(order)
            row = rows[number]
            texts.append(repr(row[0].item()) if same else const(b, row).key)
    codes = torch.tensor([order[i] for i in inverse.tolist()]).reshape(grid)
    return texts, codes


def _prod(sizes: list[int]) -> int:
    out = 1
    for n in sizes:
        out *= n
    return out


def widened(x: Value, shape: tuple[int, ...]) -> Any:
    """`x` broadcast to `shape`."""
    if tuple(x.shape) == shape:
        return x

    def fn(t: Tensor) -> Tensor:
        return broadcast(t, shape)

    if isinstance(x, Par):
        return Par(shape, fn(x.slots), x.base, fn(x.hist), None if x.zero is None else fn(x.zero))
    assert isinstance(x, Act)
    return Act(
        shape,
        tuple(fn(f) for f in x.factors),
        fn(x.hist),
        fn(x.pos),
        Origin(fn, (x,)),
        x.root + "+",
        x.data,
    )
