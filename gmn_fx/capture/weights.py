"""Put the weights of a checkpoint into a model, and say exactly what fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gmn_fx.capture.names import state_of
from gmn_fx.errors import FileError, LoadError

_CONTAINERS = ("state_dict", "model_state_dict", "model", "module", "params", "weights")
_SHOWN = 12


@dataclass(frozen=True)
class WeightReport:
    """How a checkpoint fitted a model.

    loaded: how many tensors were copied. missing: names of the model that the file lacks (a tie
    to a name that it has does not count). unexpected: names only the file has. mismatched:
    (name, shape in the file, shape in the model).
    """

    path: str
    loaded: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()

    @property
    def exact(self) -> bool:
        """Whether every name and every shape agreed."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.loaded} tensors loaded"]
        lines += _listed("missing", self.missing)
        lines += _listed("unexpected", self.unexpected)
        shapes = [f"{n}: file {_shape(f)}, model {_shape(m)}" for n, f, m in self.mismatched]
        return "\n".join([*lines, *_listed("shape mismatch", tuple(shapes))])


def load_weights(model: nn.Module, path: str | Path, *, strict: bool = True) -> WeightReport:
    """Load `.safetensors`, or a state_dict through `torch.load(weights_only=True)`.

    The model is changed only if the weights fit (or `strict` is False). Parameters on the meta
    device are replaced by the checkpoint's tensors.

    Raises:
        FileError: the file is missing, damaged, or would need an unrestricted unpickler.
        LoadError: names or shapes do not fit; all of them are listed.
    """
    path = Path(path)
    weights = unwrap(read_weights(path), path.name)
    report, chosen = _match(model, weights, path.name)
    if strict and (report.missing or report.mismatched):
        raise LoadError(
            f"the weights do not fit {type(model).__name__}\n{report}",
            hint="check that the model is built with the configuration of the checkpoint",
        )
    _assign(model, chosen)
    return report


def read_weights(path: Path) -> Any:
    """The content of a checkpoint file, without ever running code from it."""
    if not path.is_file():
        raise FileError(f"no such weights file: {path}", hint="check the path")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(str(path))
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers report damage in many ways
        refused = "weights_only" in str(error).lower() or "WeightsUnpickler" in str(error)
        what = "holds more than tensors and was refused" if refused else "cannot be read"
        raise FileError(
            f"{path.name} {what} ({type(error).__name__})",
            hint="save it again with torch.save(model.state_dict(), ...) or as .safetensors; "
            "gmn-fx never unpickles a checkpoint",
        ) from error


def unwrap(content: Any, name: str) -> dict[str, torch.Tensor]:
    """The state_dict in a checkpoint, which may sit in `{"state_dict": ...}` and have a prefix."""
    for _ in range(3):
        inner = [content[k] for k in _CONTAINERS if _holds(content, k)]
        if not inner:
            break
        content = inner[0]
    if not isinstance(content, Mapping):
        raise LoadError(
            f"{name} holds a {type(content).__name__}, not a state_dict",
            hint="save model.state_dict()",
        )
    tensors = {str(k): v for k, v in content.items() if isinstance(v, torch.Tensor)}
    if not tensors:
        raise LoadError(f"{name} holds no tensors", hint="save model.state_dict()")
    return tensors


def _holds(content: Any, key: str) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get(key), Mapping)


def _match(
    model: nn.Module, weights: Mapping[str, torch.Tensor], path: str
) -> tuple[WeightReport, dict[str, torch.Tensor]]:
    """Compare names and shapes; the fitting tensors by the model's own names."""
    state = state_of(model)
    weights = _without_prefix(weights, state.by_name)
    missing, mismatched = [], []
    chosen: dict[str, torch.Tensor] = {}
    for entry in state.entries:
        names = (entry.name, *entry.aliases)
        given = next((weights[n] for n in names if n in weights), None)
        if given is None:
            missing.append(entry.name)
        elif given.shape != entry.tensor.shape:
            mismatched.append((entry.name, tuple(given.shape), tuple(entry.tensor.shape)))
        else:
            chosen[entry.name] = given
    known = {*state.by_name, *state.transient}
    unexpected = tuple(n for n in weights if n not in known)
    return WeightReport(path, len(chosen), tuple(missing), unexpected, tuple(mismatched)), chosen


def _without_prefix(
    weights: Mapping[str, torch.Tensor], names: Mapping[str, Any]
) -> Mapping[str, torch.Tensor]:
    """Strip the prefix that a wrapper left (`module.`, `_orig_mod.`), if that makes names fit."""
    for prefix in ("module.", "_orig_mod.", "model."):
        if all(n.startswith(prefix) for n in weights) and not any(n in names for n in weights):
            return {n.removeprefix(prefix): t for n, t in weights.items()}
    return weights


def _assign(model: nn.Module, chosen: Mapping[str, torch.Tensor]) -> None:
    """Copy in place; a meta tensor is replaced, under all of its names."""
    state = state_of(model)
    with torch.no_grad():
        for name, value in chosen.items():
            entry = state.by_name[name]
            if not entry.tensor.is_meta:
                entry.tensor.copy_(value)
                continue
            kind = value.to(entry.tensor.dtype)
            new: Any = kind
            if entry.is_param:
                new = nn.Parameter(kind, requires_grad=entry.tensor.requires_grad)
            for full in (entry.name, *entry.aliases):
                path, _, leaf = full.rpartition(".")
                owner = model.get_submodule(path)
                (owner._parameters if entry.is_param else owner._buffers)[leaf] = new


def _listed(title: str, names: tuple[str, ...]) -> list[str]:
    if not names:
        return []
    more = [f"    ... and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return [f"  {title} ({len(names)}):", *(f"    {n}" for n in names[:_SHOWN]), *more]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
