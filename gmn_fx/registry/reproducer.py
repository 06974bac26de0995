"""Reproducers: the program before the failing pass, the passes to run, and the command.

```
// gmn-fx reproducer: pass "lower-norm" failed
// error: ValueError: ...
// command: gmn-extract model.py --out graph.pt
// passes: lower-norm{eps=true}
// rerun: python -m gmn_fx.registry FILE
program "model" { ...
```
"""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

from gmn_fx.errors import FileError
from gmn_fx.ir.program import Program
from gmn_fx.ir.text import parse_program, print_program

HEADER = "// gmn-fx reproducer:"
_PASSES = "// passes:"


def rerun_command(path: str | Path) -> str:
    """The command that runs the reproducer at `path` again."""
    return f"python -m gmn_fx.registry {shlex.quote(str(path))}"


def reproducer_text(
    program: Program, passes: str, *, failed: str, error: BaseException, path: Path, command: str
) -> str:
    """The text of a reproducer file."""
    # One line each: a comment ends with its line.
    summary = " ".join(f"{type(error).__name__}: {error}".split())
    lines = [f'{HEADER} pass "{failed}" failed', f"// error: {summary}"]
    if command:
        lines.append(f"// command: {' '.join(command.split())}")
    lines += [f"{_PASSES} {passes}", f"// rerun: {rerun_command(path)}"]
    return "\n".join(lines) + "\n" + print_program(program, full=True)


def write_reproducer(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileError(
            f"cannot write the reproducer {path}: {error.strerror or error}",
            hint="choose a file in a directory that you may write to",
        ) from error


def is_reproducer(path: str | Path) -> bool:
    """Whether the file at `path` starts like a reproducer."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(HEADER)) == HEADER.encode()
    except OSError:
        return False


def load_reproducer(path: str | Path) -> tuple[Program, str]:
    """The program and the pass specification of a reproducer file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(
            f"cannot read the reproducer {path}: {error}", hint="gmn-extract --reproducer makes one"
        ) from error
    specs = [line for line in text.splitlines() if line.startswith(_PASSES)]
    if not text.startswith(HEADER) or not specs:
        raise FileError(
            f"{path} is not a reproducer of gmn-fx",
            hint=f"it starts with {HEADER!r} and has a line {_PASSES!r}",
        )
    return parse_program(text), specs[0].removeprefix(_PASSES).strip()
