"""Run a model in double precision although its code says otherwise.

Model code casts to float32 (norms, softmax, rotary angles); a comparison to 1e-9 needs every one
of these casts to mean float64. The rewriting happens below Python, where all ops pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from gmn_fx.symmetry.still import is_draw, still

_WIDER = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}
_aten = torch.ops.aten


def widen(value: Any) -> Any:
    """A tensor in double precision (integers as they are), or `value` itself."""
    if isinstance(value, torch.Tensor) and value.dtype in _WIDER:
        return value.to(_WIDER[value.dtype])
    return value


@contextmanager
def double_precision() -> Iterator[None]:
    """Inside the block all floating-point work is done in float64, and chance stands still.

    A dropout mask is drawn per unit, so two equal networks with units in another order would
    disagree (`still.py`).
    """
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _DoubleMode():
            yield
    finally:
        torch.set_default_dtype(default)


class _DoubleMode(TorchDispatchMode):
    """Turn dtype arguments and stray low-precision operands into double; hold chance still."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if is_draw(func):
            args, kwargs = tree_map(_wider_dtype, (args, kwargs))
            return still(func, args, kwargs)
        if func is _aten.lift_fresh.default:
            return widen(args[0])
        if func is _aten.view.dtype:
            return func(*args, **kwargs)
        if func is getattr(_aten._grouped_mm, "default", None):
            return _grouped_mm(*args, **kwargs)
        args, kwargs = tree_map(_wider_dtype, (args, kwargs))
        if not func._schema.is_mutable and _mixes(args, kwargs):
            args, kwargs = tree_map(widen, (args, kwargs))
        return func(*args, **kwargs)


def _grouped_mm(
    x: torch.Tensor,
    w: torch.Tensor,
    offs: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """`aten._grouped_mm`, whose kernels know no float64: matrices, or stacks of them."""
    ends = [] if offs is None else offs.tolist()
    starts = [0, *ends[:-1]]
    spans = list(zip(starts, ends, strict=True))
    if x.dim() == w.dim() == 3:
        out = x @ w
    elif x.dim() == 2 and w.dim() == 3:
        out = x.new_zeros((x.shape[0], w.shape[2]))
        for (start, end), matrix in zip(spans, w, strict=True):
            out[start:end] = x[start:end] @ matrix
    elif x.dim() == 3:
        out = torch.cat([m @ w[:, a:e] for (a, e), m in zip(spans, x, strict=True)], -1)
    else:
        out = torch.stack([x[:, a:e] @ w[a:e] for a, e in spans])
    return out if bias is None else out + bias


def _wider_dtype(value: Any) -> Any:
    return _WIDER.get(value, value) if isinstance(value, torch.dtype) else value


def _mixes(args: Any, kwargs: Any) -> bool:
    """Whether low and double precision meet in one call (constants written into the code)."""
    dtypes = {t.dtype for t in _tensors((args, kwargs)) if t.dtype.is_floating_point}
    return len(dtypes) > 1


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
