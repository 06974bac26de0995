"""All errors of gmn-fx: one tree, every message says what, where, why and what to do next.

`GmnError` and its children are *user* errors: the command line prints them as one message and
exits with `exit_code`. `AuthorError` is a mistake in a pass, a rule or a plug-in. `InternalError`
is a bug of gmn-fx.
"""

from __future__ import annotations


class GmnError(Exception):
    """Base of every error that gmn-fx raises on purpose.

    `hint` is the next step for the reader; it is printed under the message.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class UsageError(GmnError):
    """The command line or a public function was called with unusable arguments."""

    exit_code = 2


class LoadError(GmnError):
    """A model file, an entry in it, or its weights cannot be loaded."""

    exit_code = 3


class InputError(GmnError):
    """No example inputs are known, or the model cannot be run on them."""

    exit_code = 4


class CaptureError(GmnError):
    """Every capture rung failed; the message lists the reason of each."""

    exit_code = 5


class UnsupportedOpError(GmnError):
    """Some nodes have no lowering rule; all of them are listed at once."""

    exit_code = 6


class UnsupportedTensorError(GmnError):
    """A parameter has a dtype or layout that cannot be carried (quantised, sparse)."""

    exit_code = 6


class GraphError(GmnError):
    """A parameter graph breaks one of the constraints P1 to P7."""

    exit_code = 7


class OracleError(GmnError):
    """The oracle could not run, or found that a graph does not mean its network."""

    exit_code = 8


class FileError(GmnError):
    """A graph file or checkpoint is unreadable, truncated, malicious or unwritable."""

    exit_code = 9


class DrawError(GmnError):
    """A drawing cannot be made (no renderer, graph too large for the view)."""

    exit_code = 10


class TextError(GmnError):
    """The text form of a program or graph does not parse."""

    exit_code = 2


class AuthorError(GmnError):
    """A pass, rule or plug-in breaks its contract. The message names its owner."""

    exit_code = 11


class PassError(AuthorError):
    """A pass failed, lied about `changed`, or stands in an order that does not hold."""


class PluginError(AuthorError):
    """A plug-in cannot be loaded, or two plug-ins claim one name."""


class DuplicateRuleError(AuthorError):
    """Two rules were registered on one key without `override=True`."""


class InternalError(GmnError):
    """A bug in gmn-fx: please report it."""

    exit_code = 70
