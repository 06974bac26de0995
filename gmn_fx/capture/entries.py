"""Find the model in an imported Python module."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager
from difflib import get_close_matches
from types import ModuleType
from typing import Any

from torch import nn

from gmn_fx.capture.source import short_traceback
from gmn_fx.errors import GmnError, LoadError

_FACTORIES = ("model", "make_model", "build_model", "get_model", "create_model", "build", "make")


def find_model(
    module: ModuleType, where: str, entry: str | None, device: AbstractContextManager[Any]
) -> tuple[nn.Module, str]:
    """The model of a module, and how it was found.

    Without `entry`: the name `model`; else the only `nn.Module` instance; else the only factory
    or class of the file that can be called without arguments.

    Raises:
        LoadError: there is no candidate, or there are several; they are listed.
    """
    if entry is not None:
        return _named(module, where, entry, device)
    if "model" in vars(module):
        return _build(vars(module)["model"], "model", where, device)
    for candidates in (_instances(module), _factories(module), _classes(module)):
        if len(candidates) == 1:
            name, value = next(iter(candidates.items()))
            return _build(value, name, where, device)
        if candidates:
            raise LoadError(
                f"{where} has several candidates for the model: {', '.join(candidates)}",
                hint=f"choose one with --entry {next(iter(candidates))}",
            )
    raise LoadError(f"{where} has no model{_nearly(module)}", hint=_HOW)


_HOW = (
    "put a module-level `model = ...` in the file, a function `build_model()` that returns it, or "
    "one nn.Module class that needs no arguments"
)


def _named(
    module: ModuleType, where: str, entry: str, device: AbstractContextManager[Any]
) -> tuple[nn.Module, str]:
    value: Any = module
    for part in entry.split("."):
        if not hasattr(value, part):
            near = get_close_matches(entry, _usable(module), n=3)
            listed = ", ".join(near or _usable(module)) or "none"
            raise LoadError(f"{where} has no {entry!r}", hint=f"what it has: {listed}")
        value = getattr(value, part)
    return _build(value, entry, where, device)


def _build(
    value: Any, name: str, where: str, device: AbstractContextManager[Any]
) -> tuple[nn.Module, str]:
    """The model that a candidate is or makes."""
    if isinstance(value, nn.Module):
        return value, name
    if not callable(value):
        raise LoadError(f"{where}: {name!r} is a {type(value).__name__}, not a model", hint=_HOW)
    required = _required(value)
    if required:
        raise LoadError(
            f"{where}: {name!r} needs arguments: {', '.join(required)}",
            hint=f"add a line such as `model = {name}(...)` to the file",
        )
    try:
        with device:
            model = value()
    except GmnError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's constructor raises
        raise LoadError(f"{where}: {name}() failed:\n{short_traceback(error)}") from error
    if not isinstance(model, nn.Module):
        raise LoadError(
            f"{where}: {name}() returned a {type(model).__name__}, not an nn.Module", hint=_HOW
        )
    kind = "class " if isinstance(value, type) else ""
    return model, f"{kind}{name}"


def _required(value: Any) -> list[str]:
    """Parameters without a default, the variadic ones apart."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return []
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in variadic]


def _instances(module: ModuleType) -> dict[str, Any]:
    """Distinct `nn.Module` objects at the top level."""
    found: dict[int, tuple[str, Any]] = {}
    for name, value in vars(module).items():
        if isinstance(value, nn.Module) and not name.startswith("_"):
            found.setdefault(id(value), (name, value))
    return dict(found.values())


def _own(module: ModuleType) -> dict[str, Any]:
    """Public things that were written in this file."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }


def _factories(module: ModuleType) -> dict[str, Any]:
    """Functions of the file that look like factories: by name, or by their return annotation."""
    functions = {n: v for n, v in _own(module).items() if inspect.isfunction(v)}
    return {n: v for n, v in functions.items() if not _required(v) and _makes_model(n, v)}


def _makes_model(name: str, function: Any) -> bool:
    returns = function.__annotations__.get("return", "")
    if isinstance(returns, type):
        return issubclass(returns, nn.Module)
    return name in _FACTORIES or str(returns).rpartition(".")[2] == "Module"


def _module_classes(module: ModuleType) -> dict[str, type]:
    own = _own(module)
    return {n: v for n, v in own.items() if isinstance(v, type) and issubclass(v, nn.Module)}


def _classes(module: ModuleType) -> dict[str, Any]:
    """`nn.Module` classes of the file that can be built without arguments."""
    classes = _module_classes(module)
    return {n: c for n, c in classes.items() if not _required(c)}


def _usable(module: ModuleType) -> list[str]:
    return [*_instances(module), *_factories(module), *_module_classes(module)]


def _nearly(module: ModuleType) -> str:
    """What came close: classes that need arguments."""
    needs = [f"{n}({', '.join(_required(c))})" for n, c in _module_classes(module).items()]
    return f"; these classes need arguments: {', '.join(needs)}" if needs else ""
