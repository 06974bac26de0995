"""Names: state_dict entries with their ties, and readable names for inputs and outputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gmn_fx.errors import UnsupportedTensorError

_UNINITIALISED = (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)


@dataclass(frozen=True)
class Entry:
    """One state_dict tensor and every other name it goes by."""

    name: str
    tensor: Tensor
    is_param: bool
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """A model's state: its entries in state_dict order, and the entry of every name."""

    entries: tuple[Entry, ...]
    by_name: dict[str, Entry]
    transient: dict[str, Tensor]


def state_of(model: nn.Module) -> State:
    """Parameters and persistent buffers in state_dict order, ties merged into the first name.

    Ties are found by identity and by storage, never by name. Non-persistent buffers are in
    `transient`: they are constants of the architecture.
    """
    names: dict[Any, list[str]] = {}
    tensors: dict[Any, tuple[Tensor, bool]] = {}
    transient: dict[str, Tensor] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for name, tensor, kind in _own_tensors(module):
            full = f"{path}.{name}" if path else name
            if kind == "transient":
                transient[full] = tensor
                continue
            key = tie_key(tensor)
            names.setdefault(key, []).append(full)
            tensors.setdefault(key, (tensor, kind == "param"))
    entries = tuple(
        Entry(found[0], tensors[key][0], tensors[key][1], tuple(found[1:]))
        for key, found in names.items()
    )
    by_name = {name: entry for entry in entries for name in (entry.name, *entry.aliases)}
    return State(entries, by_name, transient)


def _own_tensors(module: nn.Module) -> list[tuple[str, Tensor, str]]:
    """(name, tensor, kind) of a module's own parameters and buffers."""
    own: list[tuple[str, Tensor, str]] = []
    own += [(n, p, "param") for n, p in module._parameters.items() if p is not None]
    hidden = module._non_persistent_buffers_set
    own += [
        (n, b, "transient" if n in hidden else "buffer")
        for n, b in module._buffers.items()
        if b is not None
    ]
    return own


def tie_key(tensor: Tensor) -> Any:
    """Equal for two tensors exactly if they are the same elements of the same storage."""
    if tensor.is_meta or tensor.numel() == 0 or tensor.layout != torch.strided:
        return id(tensor)
    place = (tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.device)
    return (*place, tuple(tensor.shape), tensor.stride(), tensor.dtype)


def check_state(model: nn.Module) -> None:
    """Refuse, by name and all at once, tensors that a parameter graph cannot carry."""
    bad = [f"{n}: {why}" for n, t in named_tensors(model).items() if (why := _refusal(t))]
    bad += [
        f"{path or '(root)'}: quantised module {type(module).__name__}"
        for path, module in model.named_modules()
        if type(module).__module__.startswith(("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.q"))
    ]
    if bad:
        raise UnsupportedTensorError(
            "the model has tensors that cannot be carried:\n  " + "\n  ".join(bad),
            hint="dequantise or densify the model, or run a lazy module once, before extraction",
        )


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer under every one of its names."""
    found: dict[str, Tensor] = {}
    found.update(model.named_parameters(remove_duplicate=False))
    found.update(model.named_buffers(remove_duplicate=False))
    return found


def _refusal(tensor: Tensor) -> str:
    if isinstance(tensor, _UNINITIALISED):
        return "not initialised yet (lazy module)"
    if tensor.is_quantized:
        return f"quantised ({tensor.dtype})"
    if tensor.layout != torch.strided:
        return f"sparse ({tensor.layout})"
    return ""


def leaf_names(spec: Any, prefix: str = "") -> list[str]:
    """A readable name for each leaf of a pytree spec: `logits`, `hidden[0]`, `state.h`."""
    if spec.is_leaf():
        return [prefix]
    names: list[str] = []
    for key, child in zip(child_keys(spec), children_of(spec), strict=True):
        if isinstance(key, str):
            inner = f"{prefix}.{key}" if prefix else key
        else:
            inner = f"{prefix}[{key}]" if prefix else f"output[{key}]"
        names += leaf_names(child, inner)
    return names


def child_keys(spec: Any) -> list[Any]:
    """The keys under which a container spec holds its children: strings, or positions."""
    count = len(children_of(spec))
    context = spec.context
    fields = getattr(context, "_fields", None)
    keys = fields if isinstance(fields, tuple) else context
    if isinstance(keys, (list, tuple)) and len(keys) == count:
        return [k if isinstance(k, (str, int)) else str(k) for k in keys]
    return list(range(count))


def children_of(spec: Any) -> list[Any]:
    """The children of a pytree spec."""
    return list(spec.children())


def input_names(forward: Callable[..., Any], in_spec: Any) -> list[str]:
    """A name for each input leaf: the argument's name in the signature, or `args[0]`."""
    args_spec, kwargs_spec = children_of(in_spec)
    positional, variadic = _parameters(forward)
    names: list[str] = []
    for i, child in enumerate(children_of(args_spec)):
        rest = i - len(positional)
        name = positional[i] if rest < 0 else f"{variadic}[{rest if variadic != 'args' else i}]"
        names += leaf_names(child, name)
    for key, child in zip(child_keys(kwargs_spec), children_of(kwargs_spec), strict=True):
        names += leaf_names(child, str(key))
    return names


def _parameters(forward: Callable[..., Any]) -> tuple[list[str], str]:
    try:
        parameters = list(inspect.signature(forward).parameters.values())
    except (TypeError, ValueError):
        return [], "args"
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p.name for p in parameters if p.kind in kinds]
    variadic = [p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL]
    return positional, (variadic or ["args"])[0]
