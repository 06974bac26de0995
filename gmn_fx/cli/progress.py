"""Progress on stderr: a spinner on a terminal, one line for each slow stage elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.status import Status

from gmn_fx.cli.common import console, say

SLOW = 1.0


class Progress:
    """Call it with the name of the stage that begins; leaving the context ends the last one."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._stage = ""
        self._began = 0.0
        self._status: Status | None = None

    def __call__(self, stage: str) -> None:
        """`stage` begins; the one before it is over."""
        self._finish()
        self._stage, self._began = stage, time.perf_counter()
        if self._quiet or not sys.stderr.isatty():
            return
        if self._status is None:
            self._status = console(sys.stderr).status(stage)
            self._status.start()
        self._status.update(stage)

    def pause(self) -> None:
        """Take the spinner away, so that others can print."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _finish(self) -> None:
        seconds = time.perf_counter() - self._began
        if self._stage and seconds >= SLOW:
            say(f"{self._stage}: {seconds:.1f} s", quiet=self._quiet)
        self._stage = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pause()
        if kind is None:
            self._finish()
