"""From torch's stack traces to one `file.py:12` of the user's code, and to short tracebacks."""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path
from types import TracebackType

import torch

_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.*)$')
_TORCH = str(Path(torch.__file__).parent) + os.sep
_SELF = str(Path(__file__).parent) + os.sep
_EXPORT = (_TORCH + "export" + os.sep, _TORCH + "_export" + os.sep, _SELF)


def source_line(stack_trace: str | None, model_file: str = "") -> str:
    """`file.py:12` for a formatted stack trace; "" if no frame is the user's.

    Frames before the capture machinery belong to whoever called it. Of the others, the innermost
    one in `model_file` (where the model's class is written) wins, then the innermost one that is
    not torch's.
    """
    frames = _frames(stack_trace or "")
    own = [f for f in frames if not _is_machinery(f[0])]
    in_model = [f for f in own if f[0] == model_file]
    chosen = in_model or own
    return f"{os.path.basename(chosen[-1][0])}:{chosen[-1][1]}" if chosen else ""


def _frames(stack_trace: str) -> list[tuple[str, int]]:
    """(file, line) of each frame of the model's run, outermost first.

    The innermost frames may be those of the tracer; the outermost are those of its caller.
    """
    matches = (_FRAME.match(line) for line in stack_trace.splitlines())
    frames = [(m["file"], int(m["line"])) for m in matches if m]
    while frames and _is_machinery(frames[-1][0]):
        frames.pop()
    outer = max((i for i, f in enumerate(frames) if f[0].startswith(_EXPORT)), default=-1)
    return frames[outer + 1 :]


def _is_machinery(file: str) -> bool:
    return file.startswith((_TORCH, _SELF)) or file.startswith("<")


def caller_line(model_file: str = "") -> str:
    """`source_line` of the frame that is running now (for recorders)."""
    frames = traceback.extract_stack()
    text = "\n".join(f'  File "{f.filename}", line {f.lineno}, in {f.name}' for f in frames[:-2])
    return source_line(text, model_file)


def short_traceback(error: BaseException, keep: int = 4, skip: str = "") -> str:
    """The last `keep` frames of an error, without torch's and gmn-fx's own, and its message."""
    frames = [f for f in _walk(error.__traceback__) if not _is_machinery(f.filename)]
    frames = [f for f in frames if "importlib" not in f.filename and f.filename != skip][-keep:]
    lines = [
        f"  {os.path.basename(f.filename)}:{f.lineno} in {f.name}\n    {f.line}" for f in frames
    ]
    last = "".join(traceback.format_exception_only(error)).strip()
    return "\n".join([*lines, _clip(last)])


def _walk(tb: TracebackType | None) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(tb))


def _clip(text: str, lines: int = 8) -> str:
    kept = text.splitlines()
    return "\n".join(kept if len(kept) <= lines else [*kept[:lines], "  ..."])


def one_line(error: BaseException, limit: int = 300) -> str:
    """The kind and the first telling line of an error, without paths of this machine."""
    text = next((ln.strip() for ln in str(error).splitlines() if ln.strip()), "")
    text = re.sub(r"(/[\w.+-]+)+/([\w.+-]+)", r"\2", text)
    where = source_line(_format(error))
    at = f" (at {where})" if where else ""
    return f"{type(error).__name__}: {text[:limit]}{at}"


def _format(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__))
