"""Load what the command line calls TARGET: a file, `package.module:attribute`, or a `.pt2`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from gmn_fx.capture.entries import find_model
from gmn_fx.capture.exported import load_exported
from gmn_fx.capture.source import short_traceback
from gmn_fx.errors import GmnError, LoadError


@dataclass(frozen=True)
class Loaded:
    """A model and what its file says about it.

    args, kwargs: the file's `example_inputs`; both None if it has none.
    plugins: `gmn_fx.Plugin` instances at the top level of the file.
    source: what was loaded, for messages ("model.py: class Net").
    """

    model: nn.Module
    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] | None = None
    plugins: tuple[Any, ...] = ()
    source: str = ""
    name: str = field(default="model")


def load_target(target: str, entry: str | None = None, *, meta: bool = False) -> Loaded:
    """Load TARGET.

    Args:
        target: `model.py`, `package.module:attribute`, or a `.pt2` exported program.
        entry: which name in the file to take, when several would do.
        meta: build the model on the meta device, without weights in memory.

    Raises:
        LoadError: nothing usable is there; the message says why and lists the candidates.
        FileError: a `.pt2` file is damaged or not an exported program.
    """
    path = Path(target)
    if path.suffix == ".pt2":
        return _load_exported(path, meta)
    if path.suffix == ".py" or path.is_file():
        return _from_module(_import_file(path, meta), path.name, path.stem, entry, meta)
    if path.is_dir():
        raise LoadError(f"{target} is a directory", hint="name the Python file in it")
    module_name, _, attribute = target.partition(":")
    if not _is_dotted(module_name):
        raise LoadError(
            f"no such model: {target}",
            hint="give a Python file, `package.module:attribute`, or a .pt2 file",
        )
    module = _import_module(module_name, meta)
    stem = module_name.rpartition(".")[2]
    return _from_module(module, module_name, stem, attribute or entry, meta)


def _from_module(
    module: ModuleType, where: str, stem: str, entry: str | None, meta: bool
) -> Loaded:
    """Choose the model in an imported module and collect its example inputs and plug-ins."""
    model, chosen = find_model(module, where, entry, _device(meta))
    args, kwargs = example_inputs(vars(module).get("example_inputs"), where)
    plugins = tuple(dict.fromkeys(v for v in vars(module).values() if _is_plugin(v)))
    return Loaded(model, args, kwargs, plugins, f"{where}: {chosen}", stem)


def example_inputs(value: Any, where: str) -> tuple[tuple[Any, ...] | None, dict[str, Any] | None]:
    """`example_inputs` of a file: a tuple (args), a dict (kwargs), a tensor, or a function."""
    if callable(value) and not isinstance(value, torch.Tensor):
        value = _call_example_inputs(value, where)
    if value is None:
        return None, None
    if isinstance(value, torch.Tensor):
        return (value,), {}
    if isinstance(value, Mapping):
        return (), dict(value)
    if isinstance(value, (tuple, list)):
        return tuple(value), {}
    raise LoadError(
        f"{where}: `example_inputs` is a {type(value).__name__}",
        hint="make it a tuple of arguments, a dict of keyword arguments, or one tensor",
    )


def _call_example_inputs(make: Callable[[], Any], where: str) -> Any:
    try:
        return make()
    except GmnError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's function does
        raise LoadError(
            f"{where}: example_inputs() failed:\n{short_traceback(error)}",
            hint="it is called without arguments and returns a tuple, a dict or a tensor",
        ) from error


def _is_plugin(value: Any) -> bool:
    """A plug-in bag, recognised by its tables: this layer does not import the registry."""
    return not isinstance(value, (type, ModuleType, nn.Module)) and all(
        hasattr(value, name) for name in ("lowering", "rules", "passes")
    )


def _device(meta: bool) -> Any:
    return torch.device("meta") if meta else nullcontext()


def _import_file(path: Path, meta: bool) -> ModuleType:
    if not path.is_file():
        raise LoadError(
            f"no such file: {path}", hint="check the path; it is relative to the current directory"
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise LoadError(f"{path} is not a Python file", hint="give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    known = sys.modules.get(path.stem)
    sys.path.insert(0, str(path.resolve().parent))
    if known is None:  # pickling and dataclasses in the file look the module up by name
        sys.modules[path.stem] = module
    try:
        with _device(meta):
            spec.loader.exec_module(module)
    except GmnError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's file does
        if known is None:
            sys.modules.pop(path.stem, None)
        raise LoadError(
            f"{path.name} failed while it was imported:\n{short_traceback(error)}",
            hint=f"`python {path.name}` should run without errors",
        ) from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _is_dotted(name: str) -> bool:
    return bool(name) and all(part.isidentifier() for part in name.split("."))


def _import_module(name: str, meta: bool) -> ModuleType:
    sys.path.insert(0, "")
    try:
        with _device(meta):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise LoadError(
                f"no module named {error.name!r}",
                hint="give a Python file, `package.module:attribute`, or a .pt2 file",
            ) from error
        raise LoadError(_broken(name, error)) from error
    except GmnError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's package does
        raise LoadError(_broken(name, error)) from error
    finally:
        sys.path.remove("")


def _broken(name: str, error: BaseException) -> str:
    return f"module {name!r} failed while it was imported:\n{short_traceback(error)}"


def _load_exported(path: Path, meta: bool) -> Loaded:
    """A `.pt2` exported program, as a module that keeps its names and source lines."""
    exported = load_exported(path)
    args, kwargs = exported.example_inputs or (None, None)
    module = exported.module(check_guards=False)
    if meta:
        module = module.to("meta")
    return Loaded(module, args, kwargs, (), f"{path.name}: exported program", path.stem)
