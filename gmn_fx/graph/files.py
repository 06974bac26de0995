"""graph.pt: one file that holds a parameter graph, readable without this package.

`torch.load("graph.pt", weights_only=True)` gives a dict of plain builtins and tensors:

- `format`: "gmn-fx.parameter-graph"; `version`: 1
- `name`, `histories` [str], `notes` [str], `meta` {str: str}, `established` [str],
  `unread` [[slot name, count]], `num_nodes`, `num_edges`, `num_parameters`, `signature`
- `slots`: [{name, shape, dtype ("float32"), offset, trainable, aliases, used, reason}]
- `groups`: [{kind, op, start, size, depth, label: map, pin: map, name, source}]
- `bundles`: [{kind, op, shape, src: map, dst: map, slot, view: map or None, label: map,
  history: map, operand, depth, tied, name}]
- `equalities`: [{left: map, right: map, why}] (empty once weight sharing is collapsed)
- `values`: {slot name: tensor}; tied parameters once, under the name of their slot
- `node_columns`, `edge_columns`, `vocabularies` {"edge.kind": {number: string}}: what the integer
  columns of the arrays mean
- with dense=True also `x`, `edge_index`, `edge_type`, `edge_param` and (with values) `edge_value`

A map is `{shape, offset, strides}` or `{shape, offset, strides, table}`. It broadcasts to the shape
of its bundle, and its entry at index i is `k = offset + sum(strides * i)`, or `table[k]`.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch

from gmn_fx.errors import FileError, GmnError
from gmn_fx.graph.fileformat import FORMAT, decode, encode
from gmn_fx.graph.model import ParameterGraph


def save(graph: ParameterGraph, path: str | Path, *, dense: bool = False) -> None:
    """Write `graph` to `path`; an existing file is replaced only once the new one is complete."""
    with replacing(path) as file:
        torch.save(encode(graph, dense=dense), file)


def load(path: str | Path) -> ParameterGraph:
    """Read a file that `save` wrote. Nothing in it is ever executed.

    Raises:
        FileError: there is no such file, or it is not a graph, is damaged, or would run code.
    """
    path = Path(path)
    content = _read(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FileError(
            f"{path} is not a parameter graph",
            hint="it is perhaps a checkpoint: extract a graph with gmn-extract first",
        )
    try:
        return decode(content)
    except GmnError as error:
        raise FileError(f"{path} is damaged: {error.message}", hint="write it again") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise FileError(
            f"{path} is damaged: {type(error).__name__}: {error}", hint="write it again"
        ) from error


def _read(path: Path) -> Any:
    if path.is_dir():
        raise FileError(f"{path} is a directory", hint="name the graph.pt in it")
    try:
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FileError(f"{path} does not exist", hint="check the path") from None
    except OSError as error:
        raise FileError(
            f"{path} cannot be read: {error.strerror or error}", hint="check its permissions"
        ) from error
    except MemoryError as error:
        raise FileError(f"{path} does not fit into memory", hint="is it damaged?") from error
    except Exception as error:  # torch raises about anything on garbage
        raise FileError(
            f"{path} cannot be read: it is truncated, not a torch file, or holds objects other "
            f"than tensors and builtins, which are never unpickled ({type(error).__name__})",
            hint="write it again with gmn-extract; do not load files of unknown origin otherwise",
        ) from error


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file: takes the place of `path` when the block ends well, else it is removed."""
    target = Path(os.path.realpath(path))
    temporary: Path | None = None
    try:
        _check_target(target, path)
        temporary = target.with_name(f".{target.name[:64]}.{os.getpid()}.{id(target):x}.tmp")
        # O_EXCL: never write through a link that somebody else put there
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(temporary, target)
    except OSError as error:
        raise _unwritable(path, error) from error
    except RuntimeError as error:
        # torch's zip writer reports a full disk in this way
        if isinstance(error.__context__, OSError) or "PytorchStreamWriter" in str(error):
            raise _unwritable(path, error) from error
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _check_target(target: Path, path: str | Path) -> None:
    try:
        mode = target.stat().st_mode
    except OSError:
        return
    if stat.S_ISDIR(mode):
        raise FileError(f"{path} is a directory", hint="name a file in it, as in out/graph.pt")
    if not stat.S_ISREG(mode):
        raise FileError(f"{path} is not a regular file", hint="name a file to be written")


def _unwritable(path: str | Path, error: Exception) -> FileError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return FileError(
        f"{path} cannot be written: {reason}",
        hint="check that its folder exists and may be written, and the space left",
    )
