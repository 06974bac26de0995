"""DOT text to a picture: the system's `dot`, else pygraphviz, whose wheels carry Graphviz."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gmn_fx.errors import DrawError, FileError

FORMATS = ("svg", "html", "png", "pdf", "dot")
TIMEOUT_S = 300

INSTALL = (
    "install a renderer: pip install 'gmn-fx[render]' (needs no root), or Graphviz from your "
    "system (apt install graphviz, brew install graphviz); or write DOT text: --out graph.dot"
)


def render(dot: str, format: str = "svg", *, positions: bool = False) -> bytes:
    """`dot` as a picture in `format`.

    Args:
        dot: DOT text.
        format: `"svg"`, `"png"` or `"pdf"`.
        positions: the text has positions of its own; only draw, do not lay out.

    Raises:
        DrawError: there is no renderer, or it failed.
    """
    engine = "nop2" if positions else "dot"
    failures = []
    for find in (_system_dot, _pygraphviz):
        draw = find()
        if draw is None:
            continue
        try:
            return draw(dot, format, engine)
        except DrawError as error:
            failures.append(str(error.message))
    if failures:
        raise DrawError("; ".join(failures), hint="write the DOT text instead: --out graph.dot")
    raise DrawError("no Graphviz renderer: neither `dot` nor pygraphviz was found", hint=INSTALL)


def _system_dot() -> Callable[[str, str, str], bytes] | None:
    program = shutil.which("dot")
    if program is None:
        return None

    def draw(dot: str, format: str, engine: str) -> bytes:
        command = [program, f"-K{engine}", f"-T{format}"]
        try:
            done = subprocess.run(
                command, input=dot.encode(), capture_output=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DrawError(f"{program} failed: {error}") from error
        if done.returncode or not done.stdout:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise DrawError(f"{program} failed ({done.returncode}): {said or 'no output'}")
        return done.stdout

    return draw


def _pygraphviz() -> Callable[[str, str, str], bytes] | None:
    try:
        import pygraphviz
    except (ImportError, OSError):
        return None

    def draw(dot: str, format: str, engine: str) -> bytes:
        try:
            with warnings.catch_warnings(), _without_font_warnings():
                warnings.simplefilter("ignore")
                graph = pygraphviz.AGraph(string=dot)
                # An engine that it is told of is taken for one that lays out, and warned of.
                graph.has_layout = engine == "nop2"
                prog = None if graph.has_layout else engine
                picture = graph.draw(format=format, prog=prog)
        except Exception as error:
            raise DrawError(f"pygraphviz failed: {type(error).__name__}: {error}") from error
        if not picture:
            raise DrawError("pygraphviz failed: no output")
        return bytes(picture)

    return draw


@contextmanager
def _without_font_warnings() -> Iterator[None]:
    """Hold back what the C library says about the machine's font set-up; pass on the rest.

    The wheel's fontconfig complains about files of newer or older systems; the user cannot act
    on that.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            for line in said.read().splitlines(keepends=True):
                if not line.startswith(b"Fontconfig "):
                    os.write(2, line)


def format_of(path: str | os.PathLike[str]) -> str:
    """Format that the ending of `path` asks for."""
    ending = Path(path).suffix.lower().lstrip(".")
    if ending not in FORMATS:
        raise DrawError(
            f"cannot draw to {os.fspath(path)!r}: unknown format {ending!r}",
            hint="use one of " + ", ".join(f".{f}" for f in FORMATS),
        )
    return ending


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, whole or not at all.

    Raises:
        FileError: the folder is missing or cannot be written.
    """
    target = Path(path)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # mkstemp makes private files; a picture gets the usual permissions.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except OSError as error:
        raise FileError(
            f"cannot write {target}: {error.strerror or error}",
            hint="choose another path with --out/--svg; nothing was written",
        ) from error
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
