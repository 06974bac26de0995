"""The words of the text form: dtypes, types of values, literals and op names.

Shared by the printer (`gmn_fx.ir.text`) and the parser (`gmn_fx.ir.parser`), so that what one
writes the other reads.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch

from gmn_fx.errors import TextError

_SHORT = {
    torch.float64: "f64",
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.int64: "i64",
    torch.int32: "i32",
    torch.int16: "i16",
    torch.int8: "i8",
    torch.uint8: "u8",
    torch.bool: "bool",
    torch.complex64: "c64",
    torch.complex128: "c128",
}
_LONG = {short: dtype for dtype, short in _SHORT.items()}
_TORCH_CONSTANTS = (torch.dtype, torch.memory_format, torch.layout)


def dtype_word(dtype: torch.dtype) -> str:
    """`f32` for `torch.float32`; dtypes without a short word keep torch's name."""
    return _SHORT.get(dtype) or str(dtype).removeprefix("torch.")


def word_dtype(word: str) -> torch.dtype | None:
    """The dtype of a word, or None."""
    found = _LONG.get(word) or getattr(torch, word, None)
    return found if isinstance(found, torch.dtype) else None


def type_text(value: Any) -> str:
    """The type of a node's value: `f32[2, 4]`, `(f32[2], i64[])`, or the value if no tensor."""
    if isinstance(value, torch.Tensor):
        return f"{dtype_word(value.dtype)}[{', '.join(str(int(n)) for n in value.shape)}]"
    if isinstance(value, tuple):
        return f"({', '.join(type_text(v) for v in value)})"
    if isinstance(value, list):
        return f"[{', '.join(type_text(v) for v in value)}]"
    return literal_text(value)


def quote(text: str) -> str:
    """A string literal on one line."""
    return json.dumps(text, ensure_ascii=False)


def float_text(value: float) -> str:
    """A float that reads back exactly and never looks like an int: `1.0`, `1e-05`, `-inf`."""
    return repr(float(value))


def literal_text(value: Any) -> str:
    """A Python argument that is no node and no container."""
    # bool before int: True is an int.
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, complex):
        return f"complex({float_text(value.real)}, {float_text(value.imag)})"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, torch.device):
        return f"device({quote(str(value))})"
    if isinstance(value, _TORCH_CONSTANTS):
        return str(value)
    if value is Ellipsis:
        return "ellipsis"
    raise TextError(
        f"an argument of type {type(value).__name__} has no text form: {value!r}",
        hint="programs hold numbers, strings, dtypes, devices, formats, and lists of these",
    )


def torch_constant(name: str) -> Any:
    """`torch.float32`, `torch.contiguous_format`, `torch.strided`...; None for other names."""
    found = getattr(torch, name, None)
    return found if isinstance(found, _TORCH_CONSTANTS) else None


def target_text(target: Any) -> str:
    """The name of an op: `aten.linear.default`, `gmn.bias`, `getitem`.

    Anything else is spelled `!module.name`: it prints (to be looked at) and does not parse.
    """
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    if target is operator.getitem:
        return "getitem"
    from gmn_fx.ir import ops

    name = getattr(target, "__name__", "")
    if getattr(ops, name, None) is target:
        return f"gmn.{name}"
    return f"!{getattr(target, '__module__', None) or 'torch'}.{name or target}"


def text_target(name: str) -> Callable[..., Any] | None:
    """The op of a name, or None if there is none."""
    if name == "getitem":
        return operator.getitem
    space, _, rest = name.partition(".")
    if space == "gmn":
        return gmn_ops().get(rest)
    op, _, overload = rest.partition(".")
    # hasattr, not getattr with a default: an unknown op is an AttributeError in torch as well.
    packet = getattr(getattr(torch.ops, space, None), op, None)
    found = getattr(packet, overload, None) if overload else None
    return found if isinstance(found, torch._ops.OpOverload) else None


def gmn_ops() -> dict[str, Callable[..., Any]]:
    """The functions of `gmn_fx.ir.ops` that may be node targets, by name."""
    from gmn_fx.ir import ops

    helpers = {"leaf_table", "leaves_of"}
    return {
        name: fn
        for name, fn in vars(ops).items()
        if isinstance(fn, FunctionType)
        and fn.__module__ == ops.__name__
        and not name.startswith("_")
        and name not in helpers
    }
