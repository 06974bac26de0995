"""Tokens of the text form, one line at a time."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from gmn_fx.errors import TextError

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<comment>//.*)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<value>%[\w.]+)
    | (?P<number>-?(?:inf\b|nan\b|\d+\.\d*(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\d+))
    | (?P<word>[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*)
    | (?P<mark>[][(){},:=@?])
    )""",
    re.VERBOSE,
)


@dataclass
class Line:
    """The tokens of one line, `(kind, text)` each, and a position in them."""

    number: int
    text: str
    tokens: list[tuple[str, str]] = field(default_factory=list)
    at: int = 0

    @property
    def done(self) -> bool:
        """Whether all tokens are read."""
        return self.at >= len(self.tokens)

    def peek(self) -> tuple[str, str]:
        """The next token; `("end", "")` at the end."""
        return ("end", "") if self.done else self.tokens[self.at]

    def next(self) -> tuple[str, str]:
        """Read a token."""
        token = self.peek()
        self.at += 1
        return token

    def accept(self, text: str) -> bool:
        """Read the mark or word `text` if it comes next."""
        kind, found = self.peek()
        if kind in ("mark", "word") and found == text:
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        """Read the mark or word `text`, or fail."""
        if not self.accept(text):
            raise self.error(f"expected {text!r}, found {self.found()}")

    def take(self, kind: str, what: str) -> str:
        """Read a token of `kind`, or fail saying `what` was expected."""
        found, text = self.peek()
        if found != kind:
            raise self.error(f"expected {what}, found {self.found()}")
        self.at += 1
        return text

    def string(self, what: str) -> str:
        """Read a string literal."""
        text = self.take("string", what)
        try:
            return str(json.loads(text))
        except ValueError as error:
            raise self.error(f"bad string {text}: {error}") from error

    def strings(self, what: str) -> list[str]:
        """Read one or more string literals separated by commas."""
        found = [self.string(what)]
        while self.accept(","):
            found.append(self.string(what))
        return found

    def found(self) -> str:
        """The next token, for error messages."""
        kind, text = self.peek()
        return "the end of the line" if kind == "end" else repr(text)

    def error(self, message: str, hint: str = "") -> TextError:
        """A `TextError` at this line."""
        return TextError(f"line {self.number}: {message}\n    {self.text.strip()}", hint=hint)


def scan(text: str) -> list[Line]:
    """The lines of `text` that hold any token."""
    lines: list[Line] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = Line(number, raw)
        position = 0
        while raw[position:].strip():
            match = _TOKEN.match(raw, position)
            if match is None:
                raise line.error(f"cannot read {raw[position:].strip()[:20]!r}")
            position = match.end()
            kind = str(match.lastgroup)
            if kind != "comment":
                line.tokens.append((kind, match.group(kind)))
        if line.tokens:
            lines.append(line)
    return lines
