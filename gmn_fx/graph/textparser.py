"""The parser of the text form (see text.py for the language)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gmn_fx.errors import TextError
from gmn_fx.graph.indexmap import IndexMap, dense_strides
from gmn_fx.graph.model import Bundle, Equality, Group, ParameterGraph, Slot
from gmn_fx.graph.text import VERSION

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_INT = re.compile(r"-?[0-9]{1,19}(?![0-9])")
_RUN = re.compile(r"(-?\d{1,19})(?:x(\d{1,9})|\.\.(-?\d{1,19})(?:/(-?\d{1,19}))?)?(?![\d.x])")
_AXIS = re.compile(r"_|:|\*-?[0-9]{1,19}")
_MAX_TABLE = 2**28


class _Line:
    """A cursor over one line."""

    def __init__(self, text: str, number: int) -> None:
        self.text, self.number, self.at = text, number, 0

    def fail(self, expected: str) -> TextError:
        got = self.text[self.at : self.at + 24]
        return TextError(
            f"line {self.number}, column {self.at + 1}: expected {expected}, got {got!r}",
            hint="compare with the output of graph.to_text()",
        )

    def space(self) -> None:
        while self.at < len(self.text) and self.text[self.at] == " ":
            self.at += 1

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def maybe(self, literal: str) -> bool:
        if self.text.startswith(literal, self.at):
            self.at += len(literal)
            return True
        return False

    def expect(self, literal: str) -> None:
        self.space()
        if not self.maybe(literal):
            raise self.fail(repr(literal))

    def string(self) -> str:
        self.space()
        start = self.at
        found = self.match(_STRING)
        if not found:
            raise self.fail("a quoted string")
        try:
            return str(json.loads(found[0]))
        except json.JSONDecodeError:
            self.at = start
            raise self.fail("a JSON string") from None

    def word(self) -> str:
        self.space()
        if self.text[self.at : self.at + 1] == '"':
            return self.string()
        found = self.match(_WORD)
        if not found:
            raise self.fail("a name")
        return found[0]

    def integer(self) -> int:
        self.space()
        found = self.match(_INT)
        if not found:
            raise self.fail("a number")
        return int(found[0])

    def many(self, item: Callable[[], Any], close: str) -> list[Any]:
        """Comma separated items up to `close`."""
        items = []
        self.space()
        while not self.maybe(close):
            items.append(item())
            self.space()
            if not self.maybe(","):
                self.expect(close)
                break
            self.space()
        return items

    def dims(self) -> tuple[int, ...]:
        self.expect("[")
        return tuple(self.many(self.integer, "]"))

    def end(self) -> None:
        self.space()
        if self.at < len(self.text):
            raise self.fail("the end of the line")


@dataclass
class _State:
    name: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    established: list[str] = field(default_factory=list)
    histories: list[str] = field(default_factory=lambda: [""])
    slots: list[Slot] = field(default_factory=list)
    unread: list[tuple[str, int]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    bundles: list[Bundle] = field(default_factory=list)
    equalities: list[Equality] = field(default_factory=list)


def parse_graph(text: str) -> ParameterGraph:
    """Parse the whole text."""
    state = _State()
    started = False
    for number, content in enumerate(text.split("\n"), start=1):
        line = _Line(content.rstrip("\r"), number)
        line.space()
        if line.at == len(line.text) or line.text.startswith("#", line.at):
            continue
        if not started:
            _header(line, state)
            started = True
        else:
            _statement(line, state)
        line.end()
    if not started:
        raise TextError("line 1: the text is empty", hint=f'it begins with: graph {VERSION} "name"')
    return ParameterGraph(
        state.name, tuple(state.slots), tuple(state.groups), tuple(state.bundles),
        tuple(state.histories), tuple(state.equalities), tuple(state.unread), tuple(state.notes),
        state.meta, {}, frozenset(state.established),
    )  # fmt: skip


def _header(line: _Line, state: _State) -> None:
    line.expect("graph ")
    version = line.integer()
    if version != VERSION:
        raise TextError(
            f"line {line.number}: version {version} of the text form, this is {VERSION}",
            hint="print the graph again with this version of gmn-fx",
        )
    state.name = line.string()


def _statement(line: _Line, state: _State) -> None:
    start = line.at
    if line.maybe("%"):
        _group(line, state)
        return
    quoted = line.text[line.at] == '"'
    word = line.word()
    if line.maybe("/"):
        _bundle(line, state, word)
        return
    handler = _STATEMENTS.get(word)
    if handler is None or quoted:
        line.at = start
        raise line.fail(f"a statement ({', '.join(_STATEMENTS)}, %group or kind/op)")
    handler(line, state)


def _meta(line: _Line, state: _State) -> None:
    key = line.string()
    line.expect("=")
    state.meta[key] = line.string()


def _history(line: _Line, state: _State) -> None:
    number = line.integer()
    line.expect("=")
    text = line.string()
    if number == 0:
        state.histories[0] = text
    elif number == len(state.histories):
        state.histories.append(text)
    else:
        raise line.fail(f"history {len(state.histories)} before history {number}")


def _slot(line: _Line, state: _State) -> None:
    name = line.string()
    dtype = getattr(torch, line.word(), None)
    if not isinstance(dtype, torch.dtype):
        raise line.fail("a dtype before this place")
    shape = line.dims()
    last = state.slots[-1] if state.slots else None
    fields = _fields(line, ("frozen", "unused"), offset=line.integer, reason=line.string,
                     aliases=lambda: _strings(line))  # fmt: skip
    state.slots.append(
        Slot(
            name,
            shape,
            dtype,
            fields.get("offset", last.offset + last.numel if last else 0),
            "frozen" not in fields,
            fields.get("aliases", ()),
            "unused" not in fields,
            fields.get("reason", ""),
        )
    )


def _strings(line: _Line) -> tuple[str, ...]:
    line.expect("[")
    return tuple(line.many(line.string, "]"))


def _group(line: _Line, state: _State) -> None:
    number = line.integer()
    if number != len(state.groups):
        raise line.fail(f"group %{len(state.groups)} before %{number}")
    line.expect("=")
    kind = line.word()
    line.expect("/")
    op = line.word()
    line.space()
    shape = line.dims()
    if len(shape) != 1:
        raise line.fail("one size of a group before this place")
    last = state.groups[-1] if state.groups else None
    fields = _fields(
        line, (), start=line.integer, depth=line.integer, name=line.string, source=line.string,
        label=lambda: _map(line, shape, state), pin=lambda: _map(line, shape, state),
    )  # fmt: skip
    fields.setdefault("start", last.start + last.size if last else 0)
    state.groups.append(Group(kind, op, size=shape[0], **fields))


def _bundle(line: _Line, state: _State, kind: str) -> None:
    op = line.word()
    shape = line.dims()
    line.space()
    slot: str | None = None
    view: IndexMap | None = None
    if line.text.startswith('"', line.at):
        slot = line.string()
        if line.maybe("+") or line.text[line.at : line.at + 1] in ("(", "@"):
            view = _map(line, shape, state)
    src = _map(line, shape, state)
    line.expect("->")
    dst = _map(line, shape, state)
    fields = _fields(
        line, ("tied",), operand=line.integer, depth=line.integer, name=line.string,
        label=lambda: _map(line, shape, state), history=lambda: _map(line, shape, state),
    )  # fmt: skip
    state.bundles.append(Bundle(kind, op, shape, src, dst, slot, view, **fields))


def _equal(line: _Line, state: _State) -> None:
    shape = line.dims()
    left = _map(line, shape, state)
    line.expect("==")
    right = _map(line, shape, state)
    fields = _fields(line, (), why=line.string)
    state.equalities.append(Equality(left, right, **fields))


_STATEMENTS: dict[str, Callable[[_Line, _State], None]] = {
    "meta": _meta,
    "note": lambda line, state: state.notes.append(line.string()),
    "established": lambda line, state: state.established.append(line.word()),
    "history": _history,
    "slot": _slot,
    "unread": lambda line, state: state.unread.append((line.string(), line.integer())),
    "equal": _equal,
}


def _fields(line: _Line, flags: tuple[str, ...], **readers: Callable[[], Any]) -> dict[str, Any]:
    """Trailing `flag` and `key=value` items, each at most once."""
    found: dict[str, Any] = {}
    line.space()
    while line.at < len(line.text):
        start = line.at
        word = line.word()
        if word in flags and word not in found:
            found[word] = True
        elif word in readers and word not in found:
            line.expect("=")
            found[word] = readers[word]()
        else:
            line.at = start
            raise line.fail(f"one of {', '.join((*flags, *readers))}")
        line.space()
    return found


def _map(line: _Line, shape: tuple[int, ...], state: _State) -> IndexMap:
    line.space()
    start = line.at
    offset = 0
    if line.maybe("%"):
        number = line.integer()
        if not 0 <= number < len(state.groups):
            line.at = start
            raise line.fail("a group that is defined above")
        offset = state.groups[number].start + (line.integer() if line.maybe("+") else 0)
    elif found := line.match(_INT):
        offset = int(found[0])
    table = _table(line) if line.maybe("@") else None
    if not line.maybe("("):
        if line.at == start:
            raise line.fail("a map")
        return IndexMap((), offset, (), table)
    axes = line.many(lambda: _axis(line), ")")
    own = line.dims() if line.text.startswith("[", line.at) else shape
    if len(axes) != len(own):
        raise line.fail(f"{len(own)} axes, one for each of {list(own)}, before this place")
    return IndexMap(own, offset, _strides(own, axes), table)


def _axis(line: _Line) -> str:
    found = line.match(_AXIS)
    if not found:
        raise line.fail("an axis: _, : or *stride")
    return found[0]


def _strides(shape: tuple[int, ...], axes: list[str]) -> tuple[int, ...]:
    varying = tuple(1 if a == "_" else n for n, a in zip(shape, axes, strict=True))
    row_major = dense_strides(varying)
    return tuple(
        0 if a == "_" else row_major[i] if a == ":" else int(a[1:]) for i, a in enumerate(axes)
    )


def _table(line: _Line) -> np.ndarray:
    dtype = np.int64 if line.maybe("big") else np.int32
    line.expect("{")
    parts = line.many(lambda: _run(line), "}")
    try:
        return (
            np.concatenate([np.array(p, dtype=dtype) for p in parts])
            if parts
            else np.empty(0, dtype)
        )
    except OverflowError:
        raise line.fail(f"entries that fit {np.dtype(dtype)} before this place") from None


def _run(line: _Line) -> Any:
    found = line.match(_RUN)
    if not found:
        raise line.fail("a number or a run of numbers")
    first = int(found[1])
    if found[2]:
        values: Any = [first]
        count = int(found[2])
    elif found[3]:
        step = int(found[4] or 1)
        last = int(found[3])
        if step == 0 or (last - first) % step or (last - first) // step < 0:
            raise line.fail("a run that ends on one of its steps before this place")
        count = (last - first) // step + 1
        values = range(first, last + (1 if step > 0 else -1), step)
    else:
        return [first]
    if count > _MAX_TABLE:
        raise line.fail("a shorter table before this place")
    return values * count if found[2] else values
