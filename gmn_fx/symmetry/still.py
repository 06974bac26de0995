"""Chance held still: every element that is drawn by one law is the same number.

A network that draws a number for each unit is, with its units in another order, the same network
with other draws. Two runs can only be compared when all draws are equal: dropout keeps every unit
(which leaves its known scale), noise is one plausible number.
"""

from __future__ import annotations

from typing import Any

import torch

_aten = torch.ops.aten
_FILLED = frozenset({
    "rand", "rand_like", "uniform", "uniform_", "randn", "randn_like", "normal", "normal_",
    "normal_functional", "exponential", "exponential_", "log_normal", "log_normal_", "cauchy",
    "cauchy_", "geometric", "geometric_", "bernoulli", "bernoulli_", "native_dropout", "poisson",
    "_standard_gamma",
})  # fmt: skip
# An operand says for each element by which law it is drawn, and it is a value of that law's range.
_BY_ELEMENT = (_aten.bernoulli.default, _aten.poisson.default, _aten._standard_gamma.default)
# Above one half: a mask that is written `rand < 0.9` or `rand > 0.1` keeps everything.
_QUANTILE = 0.6


def is_draw(func: Any) -> bool:
    """Whether the op draws each element for itself."""
    return torch.Tag.nondeterministic_seeded in func.tags and _name(func) in _FILLED


def still(func: Any, args: Any, kwargs: Any) -> Any:
    """What `func` returns when nothing is left to chance."""
    name = _name(func)
    if name == "native_dropout":
        return args[0].clone(), torch.ones_like(args[0], dtype=torch.bool)
    if func in _BY_ELEMENT:
        return args[0].clone()
    if name == "normal" and "Tensor" in func._overloadname:
        return args[0] + 0.5 * args[1]
    if func is _aten.bernoulli_.Tensor:
        return args[0].copy_(args[1])
    out = func(*args, **kwargs)
    return out.fill_(_typical(func, args, kwargs))


def _typical(func: Any, args: Any, kwargs: Any) -> float:
    """One number that the law may well give."""
    given = {a.name: a.default_value for a in func._schema.arguments if a.has_default_value()}
    given |= {a.name: v for a, v in zip(func._schema.arguments, args, strict=False)} | kwargs
    name = _name(func).rstrip("_")
    if name in ("rand", "rand_like", "uniform"):
        low, high = given.get("from", 0.0), given.get("to", 1.0)
        return float(low + _QUANTILE * (high - low))
    if name == "bernoulli":
        return 1.0 if given.get("p", 0.5) > 0 else 0.0
    if name in ("randn", "randn_like", "normal", "normal_functional"):
        mean, std = given.get("mean", 0.0), given.get("std", 1.0)
        return float(mean + 0.5 * std)
    return 1.0


def _name(func: Any) -> str:
    return str(func._schema.name).removeprefix("aten::")
