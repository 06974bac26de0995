"""Example inputs: from `--input`, from the model's file, or inferred from the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from gmn_fx.capture.guess import Guess, guesses, make
from gmn_fx.capture.ladder import describe
from gmn_fx.capture.source import short_traceback
from gmn_fx.capture.target import example_inputs
from gmn_fx.capture.trial import runs
from gmn_fx.errors import InputError, UsageError

_SPEC = re.compile(
    r"(?:(?P<name>[A-Za-z_]\w*):)?(?P<shape>scalar|\d+(?:[x,]\d+)*)(?::(?P<dtype>\w+))?"
)
_SHORT = {
    "float": "float32", "double": "float64", "half": "float16", "bf16": "bfloat16",
    "fp32": "float32", "fp64": "float64", "fp16": "float16", "f32": "float32", "f64": "float64",
    "f16": "float16", "int": "int64", "long": "int64", "i64": "int64", "i32": "int32",
}  # fmt: skip
_HOW = (
    "give them with --input 2x3x32x32 (several: repeat it; with a name or dtype: "
    "ids:2x16:int64), as `example_inputs` in the model file, or as args= in Python"
)


@dataclass(frozen=True)
class Inputs:
    """Example inputs and, for people, how they were found."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    how: str = ""

    def __str__(self) -> str:
        return f"{describe(self.args, self.kwargs)} ({self.how})"


@dataclass(frozen=True)
class InputSpec:
    """One `--input`: `[name:]2x3x32x32[:dtype]`."""

    shape: tuple[int, ...]
    dtype: torch.dtype | None = None
    name: str | None = None


def parse_input(text: str) -> InputSpec:
    """Parse one `--input` specification.

    >>> parse_input("ids:2x16:int64")
    InputSpec(shape=(2, 16), dtype=torch.int64, name='ids')

    Raises:
        UsageError: the text is not `[name:]shape[:dtype]`.
    """
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"cannot read the input {text!r}", hint="write 1x3x224x224, or ids:2x16:int64"
        )
    shape = () if match["shape"] == "scalar" else _sizes(match["shape"])
    return InputSpec(shape, _dtype(match["dtype"]), match["name"])


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in re.split("[x,]", text))


def _dtype(name: str | None) -> torch.dtype | None:
    if name is None:
        return None
    dtype = getattr(torch, _SHORT.get(name, name), None)
    if not isinstance(dtype, torch.dtype):
        raise UsageError(
            f"unknown dtype {name!r}", hint="use float32, float64, bfloat16, int64, bool, ..."
        )
    return dtype


def infer_inputs(
    model: nn.Module,
    *,
    specs: Sequence[str] = (),
    example: Any = None,
    args: tuple[Any, ...] | None = None,
    kwargs: dict[str, Any] | None = None,
) -> Inputs:
    """Find example inputs on which `model` runs.

    Args:
        model: the model; it is only tried, on fake tensors where possible, and left as found.
        specs: `--input` texts; they win over everything else.
        example: `example_inputs` (tuple, dict or tensor).
        args: example inputs of a `Loaded`, instead of `example`.
        kwargs: likewise.

    Raises:
        InputError: the model cannot be run on the given inputs, or none can be inferred.
    """
    if specs:
        given = _from_specs(model, [parse_input(s) for s in specs])
        return _checked(model, given, "as given by --input")
    if example is not None:
        args, kwargs = example_inputs(example, type(model).__name__)
    if args is not None or kwargs is not None:
        given = Guess(tuple(args or ()), dict(kwargs or {}), "")
        return _checked(model, given, "example_inputs of the model file")
    return _inferred(model, guesses(model))


def _from_specs(model: nn.Module, specs: Iterable[InputSpec]) -> Guess:
    args: list[torch.Tensor] = []
    kwargs: dict[str, torch.Tensor] = {}
    for spec in specs:
        tensor = make(model, spec.shape, spec.dtype, name=spec.name or "")
        if spec.name is None:
            args.append(tensor)
        else:
            kwargs[spec.name] = tensor
    return Guess(tuple(args), kwargs, "")


def _checked(model: nn.Module, given: Guess, how: str) -> Inputs:
    error = runs(model, given.args, given.kwargs, sure=True)
    if error is None:
        return Inputs(given.args, given.kwargs, how)
    raise InputError(
        f"{type(model).__name__} cannot be run on {describe(given.args, given.kwargs)} ({how}):\n"
        f"{short_traceback(error)}",
        hint=_HOW,
    ) from error


def _inferred(model: nn.Module, candidates: Iterable[Guess]) -> Inputs:
    """The first guess that runs."""
    tried: list[tuple[Guess, Exception]] = []
    for guess in candidates:
        error = runs(model, guess.args, guess.kwargs, sure=guess.sure)
        if error is None:
            return Inputs(guess.args, guess.kwargs, f"inferred from {guess.how}")
        tried.append((guess, error))
    what = f"no example inputs are known for {type(model).__name__}"
    if tried:
        guess, first = tried[0]
        what += (
            f", and none of {len(tried)} guesses ran; the first, from {guess.how}, "
            f"{describe(guess.args, guess.kwargs)}:\n{short_traceback(first)}"
        )
    raise InputError(what, hint=_HOW)
