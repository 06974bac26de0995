"""Pass specifications: `a,b{x=1,y=true}` to passes and back."""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gmn_fx.errors import UsageError
from gmn_fx.registry.build import Build
from gmn_fx.registry.passes import Pass, options_of
from gmn_fx.registry.registry import Registry

_BRACKETS = {"[": "]", "{": "}", "(": ")"}


@dataclass(frozen=True)
class _Item:
    name: str
    options: tuple[tuple[str, str], ...]


def parse_spec(spec: str, registry: Registry) -> tuple[Pass, ...]:
    """The passes that `spec` names, in order.

    A name is that of a pass, with options in braces, or of a pipeline, which stands for its
    passes. Raises `UsageError` with all unknown names at once.
    """
    items = list(_expand(_items(spec), registry, ()))
    known: dict[str, type[Pass]] = {**registry.passes, Build.name: Build}
    unknown = [item.name for item in items if item.name not in known]
    if unknown:
        raise _unknown(unknown, registry)
    return tuple(_make(known[item.name], item.options) for item in items)


def print_spec(passes: Iterable[Pass]) -> str:
    """The specification of `passes`; options at their default are left out."""
    return ",".join(_print_one(p) for p in passes)


def _print_one(p: Pass) -> str:
    parts = []
    for option in options_of(p):
        value = getattr(p, option.name)
        default = (
            option.default_factory()
            if option.default_factory is not dataclasses.MISSING
            else option.default
        )
        if value != default:
            parts.append(f"{option.name}={_print_value(value)}")
    return f"{p.name}{{{','.join(parts)}}}" if parts else p.name


def _print_value(value: Any) -> str:
    if isinstance(value, tuple | list | frozenset):
        items = sorted(value) if isinstance(value, frozenset) else value
        return f"[{','.join(_print_value(item) for item in items)}]"
    if isinstance(value, str):
        return json.dumps(value)
    return str(value).lower() if value is None or isinstance(value, bool) else repr(value)


def _expand(items: Sequence[_Item], registry: Registry, inside: tuple[str, ...]) -> Iterable[_Item]:
    for item in items:
        if item.name not in registry.pipelines:
            yield item
            continue
        if item.options:
            raise UsageError(f"the pipeline {item.name!r} takes no options")
        if item.name in inside:
            raise UsageError(f"the pipeline {item.name!r} contains itself")
        nested = _items(registry.pipelines[item.name])
        yield from _expand(nested, registry, (*inside, item.name))


def _unknown(names: Sequence[str], registry: Registry) -> UsageError:
    known = [*registry.passes, *registry.pipelines, Build.name]
    lines = []
    for name in dict.fromkeys(names):
        near = difflib.get_close_matches(name, known, 2, 0.6)
        lines.append(f"{name!r}" + (f" (near: {', '.join(near)})" if near else ""))
    noun = "pass" if len(lines) == 1 else "passes"
    return UsageError(
        f"unknown {noun}: {', '.join(lines)}",
        hint="--list-passes shows all of them",
    )


def _items(spec: str) -> list[_Item]:
    items = []
    for part in _split(spec, spec):
        name, brace, rest = part.partition("{")
        name = name.strip()
        if not name or (brace and not rest.endswith("}")):
            raise _malformed(spec, part)
        options = []
        for option in _split(rest[:-1], spec) if brace and rest[:-1].strip() else []:
            key, equals, value = option.partition("=")
            if not equals or not key.strip() or not value.strip():
                raise _malformed(spec, option)
            options.append((key.strip().replace("-", "_"), value.strip()))
        items.append(_Item(name, tuple(options)))
    return items


def _split(text: str, spec: str) -> list[str]:
    """`text` at its top-level commas: those outside brackets and strings."""
    if not text.strip():
        return []
    parts, start, stack, quoted, escaped = [], 0, [], False, False
    for i, char in enumerate(text):
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            quoted = True
        elif char in _BRACKETS:
            stack.append(_BRACKETS[char])
        elif char in _BRACKETS.values():
            if not stack or stack.pop() != char:
                raise _malformed(spec, text)
        elif char == "," and not stack:
            parts.append(text[start:i].strip())
            start = i + 1
    if stack or quoted:
        raise _malformed(spec, text)
    return [*parts, text[start:].strip()]


def _malformed(spec: str, part: str) -> UsageError:
    return UsageError(
        f"the pass specification {spec!r} does not parse at {part!r}",
        hint='write names separated by commas, options in braces: "a,b{x=1,y=true}"',
    )


def _make(cls: type[Pass], options: Iterable[tuple[str, str]]) -> Pass:
    fields = {f.name: f for f in options_of(cls)}
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, text in options:
        if key not in fields:
            known = ", ".join(fields) or "none"
            raise UsageError(f"pass {cls.name!r} has no option {key!r}", hint=f"options: {known}")
        if key in values:
            raise UsageError(f"option {key!r} of pass {cls.name!r} is given twice")
        try:
            values[key] = _convert(text, hints[key])
        except ValueError as error:
            raise UsageError(f"option {key!r} of pass {cls.name!r}: {error}") from error
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"pass {cls.name!r} refuses its options: {error}") from error


def _convert(text: str, wanted: Any) -> Any:
    """The value of `text` as the type that the field is annotated with."""
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(text, args)
    if origin is Literal:
        matches = [choice for choice in args if _plain(choice) == _unquote(text)]
        if not matches:
            raise ValueError(f"{text} is not one of {', '.join(_plain(a) for a in args)}")
        return matches[0]
    if origin in (tuple, list, frozenset):
        return _convert_items(text, origin, args)
    return _convert_scalar(text, wanted)


def _convert_union(text: str, choices: Sequence[Any]) -> Any:
    if text.lower() == "none" and type(None) in choices:
        return None
    # str takes everything, so it is asked last.
    for choice in sorted((c for c in choices if c is not type(None)), key=lambda c: c is str):
        try:
            return _convert(text, choice)
        except ValueError:
            continue
    names = ", ".join(getattr(c, "__name__", str(c)) for c in choices)
    raise ValueError(f"{text} is none of {names}")


def _convert_items(text: str, origin: Any, args: Sequence[Any]) -> Any:
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError(f"{text} is not a list: write [a,b]")
    inner = args[0] if args else str
    return origin(_convert(part, inner) for part in _split(text[1:-1], text))


def _convert_scalar(text: str, wanted: Any) -> Any:
    if wanted is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text} is not true or false")
        return text.lower() == "true"
    if wanted is str:
        return _unquote(text)
    if wanted in (int, float):
        try:
            return wanted(text)
        except ValueError:
            kind = "an integer" if wanted is int else "a number"
            raise ValueError(f"{text} is not {kind}") from None
    raise ValueError(f"options of type {wanted} cannot be written in a specification")


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text
    value = json.loads(text)
    return str(value)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
