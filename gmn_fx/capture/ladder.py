"""Capture: try the rungs in order, keep every failure, check that nothing was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from gmn_fx.capture.complete import lost_parameters, unread_parameters
from gmn_fx.capture.concrete import trace_concrete
from gmn_fx.capture.export import trace_export
from gmn_fx.capture.leaves import leaves_kept
from gmn_fx.capture.names import check_state
from gmn_fx.capture.normalise import normalise
from gmn_fx.capture.quiet import quiet
from gmn_fx.capture.record import trace_record
from gmn_fx.capture.source import one_line, short_traceback
from gmn_fx.capture.symbolic import trace_symbolic
from gmn_fx.capture.traced import Traced
from gmn_fx.capture.widen import widened
from gmn_fx.errors import CaptureError, GmnError, InputError, UsageError
from gmn_fx.graph.model import ONE_PATH
from gmn_fx.ir.prepare import clear_caches, prepared
from gmn_fx.ir.program import Program

_Rung = Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], Traced]

# In this order: export keeps the most metadata, symbolic cannot be misled by data,
# concrete and record fix what depends on data.
_RUNGS: dict[str, _Rung] = {
    "export": trace_export,
    "symbolic": trace_symbolic,
    "concrete": trace_concrete,
    "record": trace_record,
}
RUNGS: tuple[str, ...] = tuple(_RUNGS)


def capture(
    model: nn.Module,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    rung: str = "auto",
    leaves: Iterable[Any] = (),
) -> Program:
    """Capture a model as a computation graph.

    Args:
        model: any module; it is left exactly as it was found, in its own mode and dtype.
        args: positional example inputs.
        kwargs: keyword example inputs.
        rung: "auto", or one of `RUNGS`.
        leaves: module classes and functions that must stay one node each (they have a rule).

    Raises:
        CaptureError: every rung failed; all the reasons are in the message.
        InputError: the model does not run on these inputs.
        UnsupportedTensorError: a parameter is quantised, sparse or not initialised.
    """
    if rung != "auto" and rung not in _RUNGS:
        raise UsageError(
            f"unknown capture rung {rung!r}", hint=f"choose one of: auto, {', '.join(RUNGS)}"
        )
    check_state(model)
    args, options = example_for(model, tuple(args), dict(kwargs or {}))
    listed = tuple(leaves)
    failures: dict[str, str] = {}
    for name in RUNGS if rung == "auto" else (rung,):
        result = _attempt(model, args, options, name, listed)
        if isinstance(result, Program):
            result = _reaching_more(model, result, args, options, name, listed)
            return _with_notes(model, result, failures)
        failures[name] = result
    raise _failure(model, args, options, failures)


def example_for(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Copies of the inputs (a forward may write to them), on meta if the whole model is."""
    tensors = [*model.parameters(), *model.buffers()]
    hollow = bool(tensors) and all(t.is_meta for t in tensors)

    def own(tensor: torch.Tensor) -> torch.Tensor:
        if hollow:
            return torch.empty_like(tensor, device="meta")
        return tensor.detach().clone().requires_grad_(tensor.requires_grad)

    return pytree.tree_map_only(torch.Tensor, own, (args, kwargs))  # type: ignore[no-any-return]


def _attempt(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    rung: str,
    leaves: tuple[Any, ...],
) -> Program | str:
    """One rung: the program, or the reason why there is none."""
    copies = pytree.tree_map_only(torch.Tensor, lambda t: t.detach().clone(), (args, kwargs))
    try:
        with prepared(model, grad=True), quiet():
            cleared = clear_caches(model)
            with leaves_kept(model, leaves) as table:
                traced = _RUNGS[rung](model, *copies)
            program = normalise(model, traced, rung, table)
        with prepared(model, grad=True):
            clear_caches(model)
            lost = lost_parameters(model, program, args, kwargs)
    except (GmnError, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:  # a rung may fail in any way; the next one gets its chance
        return one_line(error)
    if lost:
        shown = ", ".join(lost[:8]) + (f" and {len(lost) - 8} more" if len(lost) > 8 else "")
        return f"lost parameters that the outputs depend on: {shown}"
    if cleared:
        note = f"caches of an earlier forward were ignored: {', '.join(cleared)}"
        program = replace(program, notes=(*program.notes, note))
    return program


def _reaching_more(
    model: nn.Module,
    program: Program,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    rung: str,
    leaves: tuple[Any, ...],
) -> Program:
    """The program of a wider example, if it reaches more of the model than `program` does.

    Looked for where parameters are left unread, and where the sizes of some results depend on data
    (of the rows of a stacked parameter, such as experts, only some may be read).
    """
    if program.rung not in ONE_PATH:
        return program
    unread = len(unread_parameters(program))
    sized = any(n.target is torch.ops.aten.nonzero_static.default for n in program.graph.nodes)
    wide = widened(args, kwargs) if unread or sized else None
    if wide is None:
        return program
    try:
        other = _attempt(model, wide[0], wide[1], rung, leaves)
    except GmnError:  # the model takes no such example
        return program
    if isinstance(other, str):
        return program
    reach = (-len(unread_parameters(other)), len(other.graph.nodes))
    if reach <= (-unread, len(program.graph.nodes)):
        return program
    note = "captured on more rows than were given, because those do not reach all of the model"
    return replace(other, notes=(*other.notes, note))


def _with_notes(model: nn.Module, program: Program, failures: Mapping[str, str]) -> Program:
    """Say what was specialised, and list the parameters that nothing reads."""
    notes = list(program.notes)
    if program.rung in ONE_PATH:
        reason = next(iter(failures.values()), "")
        because = f" ({next(iter(failures))} failed: {reason})" if reason else ""
        notes.append(
            "every branch and value that depends on tensor data was fixed as on the example "
            f"inputs{because}"
        )
    if unread := unread_parameters(program):
        one_path = program.rung in ONE_PATH
        which = (
            "nothing that the example runs reads" if one_path else "the outputs do not depend on"
        )
        notes.append(f"parameters that {which}: {', '.join(unread)}")
        notes += _suspicious_constants(model, program)
    return replace(program, notes=tuple(notes))


def _suspicious_constants(model: nn.Module, program: Program) -> list[str]:
    """Plain tensor attributes among the constants: they may have been computed from parameters."""
    held = {
        f"{path}.{name}" if path else name
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }
    found = [b.name for b in program.bindings.values() if b.kind == "constant" and b.name in held]
    if not found:
        return []
    return [f"if {', '.join(found)} is a cache of an earlier forward, capture a fresh model"]


def _failure(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], failures: Mapping[str, str]
) -> GmnError:
    """The error for a model that no rung could capture."""
    try:
        with prepared(model):
            model(*args, **kwargs)
    except Exception as error:  # whatever the user's forward raises
        return InputError(
            f"{type(model).__name__} cannot be run on the inputs {describe(args, kwargs)}:\n"
            + short_traceback(error),
            hint="give inputs with --input NAME:2x3x32x32:float32, `example_inputs` in the model "
            "file, or args= in Python",
        )
    listed = "\n".join(f"  {rung}: {reason}" for rung, reason in failures.items())
    return CaptureError(
        f"{type(model).__name__} could not be captured:\n{listed}",
        hint="register a rule for the layer that is in the way (it then stays one node), or "
        "rewrite the reported line",
    )


def describe(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """`(x: 2x3 float32, mask=2x4 bool)` for a message."""
    shown = [_show(a) for a in args] + [f"{k}={_show(v)}" for k, v in kwargs.items()]
    return f"({', '.join(shown)})"


def _show(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        shape = "x".join(map(str, value.shape)) or "scalar"
        return f"{shape} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_show(v) for v in value)}]"
    plain = value is None or isinstance(value, (int, float, bool, str))
    return repr(value) if plain else type(value).__name__
