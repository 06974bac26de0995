"""Read a `.pt2` exported program without letting it run code.

`torch.export.load` alone would unpickle weights without restrictions, unpickle custom objects,
evaluate size expressions and resolve any name under `torch`. What could abuse that is refused
before the file is handed to torch.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from gmn_fx.capture.quiet import quiet
from gmn_fx.errors import FileError

_PICKLED = ("custom_obj_", "opaque_obj_", "/aotinductor/")
_EXPRESSION = re.compile(r"(?!.*__)[\w\s+\-*/(),<>=&|~.]*")
_TARGET = re.compile(r"torch\.ops\.[\w.]+|_operator\.\w+|math\.\w+|torch\.sym_\w+|torch\._sym_\w+")


def load_exported(path: Path) -> ExportedProgram:
    """Load a `.pt2` file.

    Raises:
        FileError: the file is missing, damaged, or holds something that could run code.
    """
    if not path.is_file():
        raise FileError(f"no such file: {path}", hint="write it with torch.export.save")
    _inspect(path)
    try:
        with _forced_weights_only(), quiet():
            return torch.export.load(str(path))
    except Exception as error:  # torch reports damage in many ways
        first = next(iter(str(error).splitlines()), "")
        raise FileError(
            f"{path.name} is not a readable exported program: {type(error).__name__}: {first}",
            hint="write it again with torch.export.save, with this version of torch",
        ) from error


@contextmanager
def _forced_weights_only() -> Iterator[None]:
    """Make every `torch.load` inside the block restricted, whatever its caller asks for."""
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    saved = {name: os.environ.pop(name, None) for name in names}
    os.environ[names[0]] = "1"
    try:
        yield
    finally:
        for name, value in saved.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _inspect(path: Path) -> None:
    """Refuse archives with pickled objects, executable expressions or foreign names."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            texts = {n: archive.read(n) for n in names if n.endswith(".json")}
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise FileError(
            f"{path.name} is not an exported program (no readable zip archive)",
            hint="write it with torch.export.save; the file may be truncated",
        ) from error
    bad = [n for n in names if any(mark in n for mark in _PICKLED)]
    for name, text in texts.items():
        try:
            bad += _suspicious(json.loads(text))
        except ValueError as error:
            raise FileError(f"{path.name}: {name} is no JSON", hint="it is damaged") from error
    if bad:
        raise FileError(
            f"{path.name} was refused: it holds something that could run code: {bad[0]!r}",
            hint="export the model without custom class objects",
        )


def _suspicious(value: Any) -> list[str]:
    """Strings of a serialised program that torch would evaluate or resolve outside its op set."""
    found: list[str] = []
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            stack.extend(item.values())
            found += _bad_entries(item)
    return found


def _bad_entries(item: dict[str, Any]) -> list[str]:
    found = []
    expression = item.get("expr_str")
    if isinstance(expression, str) and not _EXPRESSION.fullmatch(expression):
        found.append(expression)
    target = item.get("target")
    if isinstance(target, str) and "inputs" in item and not _TARGET.fullmatch(target):
        found.append(target)
    return found
