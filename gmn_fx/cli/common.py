"""What all commands share: consoles, one clear error, exit codes, outputs checked beforehand."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.text import Text

from gmn_fx.errors import FileError, GmnError, InternalError

INTERRUPTED = 130
BROKEN_PIPE = 141
# Plain text has no width of its own: never fold a table that goes into a file or a pipe.
PLAIN_WIDTH = 10_000


def console(stream: IO[str] | None = None) -> Console:
    """A console on `stream` (stdout): coloured on a terminal, plain text everywhere else."""
    out = stream or sys.stdout
    if out.isatty():
        return Console(file=out, highlight=False)
    return Console(
        file=out, width=PLAIN_WIDTH, no_color=True, highlight=False, force_terminal=False
    )


def say(message: str, *, quiet: bool = False) -> None:
    """One line of progress or remark on stderr."""
    if not quiet:
        console(sys.stderr).print(Text(message), soft_wrap=True)


def print_json(value: Any) -> None:
    """`value` as indented JSON on stdout."""
    click.echo(json.dumps(value, indent=2, sort_keys=False, default=str))


def models_print_to_stderr() -> contextlib.redirect_stdout[IO[str]]:
    """While a model's own code runs, what it prints is no result of ours: stdout stays clean."""
    return contextlib.redirect_stdout(sys.stderr)


def show_error(error: GmnError) -> None:
    """Print `error` as one message on stderr: what, where, why, and the next step."""
    out = console(sys.stderr)
    out.print(Text.assemble(("error: ", "bold red"), error.message), soft_wrap=True)
    for note in getattr(error, "__notes__", ()):
        out.print(Text(f"  {note}"), soft_wrap=True)
    if error.hint:
        out.print(Text.assemble(("  hint: ", "bold"), error.hint), soft_wrap=True)


def run(command: click.Command, argv: Sequence[str] | None = None) -> int:
    """Run `command` and return its exit code; every failure ends as one message on stderr."""
    try:
        code = command.main(args=argv and list(argv), standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted: nothing half-written is left behind")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) went away; python must not complain again at exit.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except GmnError as error:
        show_error(error)
        return error.exit_code
    except Exception as error:
        console(sys.stderr).print_exception()
        name = type(error).__name__
        show_error(
            InternalError(
                f"gmn-fx failed with an unforeseen {name}: {error}",
                hint="this is a bug: please report it with the traceback above and the command",
            )
        )
        return InternalError.exit_code


def check_picture(path: Path) -> None:
    """Fail before any work is done if `path` asks for a picture that nobody can draw."""
    from gmn_fx.drawing.render import format_of

    format_of(path)


def check_writable(path: Path | None) -> None:
    """Fail before any work is done if `path` cannot be written."""
    if path is None:
        return
    if path.is_dir():
        raise FileError(f"cannot write {path}: it is a directory", hint="give the name of a file")
    if path.exists() and not path.is_file():
        raise FileError(
            f"cannot write {path}: it is not a regular file", hint="give the name of a file"
        )
    if not path.parent.is_dir():
        raise FileError(
            f"cannot write {path}: there is no directory {path.parent}",
            hint=f"make it first: mkdir -p {path.parent}",
        )
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise FileError(
            f"cannot write {path}: {error.strerror or error}",
            hint="choose a directory that you may write to",
        ) from error
