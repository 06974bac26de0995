"""Text that is safe to put on a picture: names come from other people's models."""

from __future__ import annotations

import html
import math
import unicodedata

from gmn_fx.drawing import palette

# Longest name in a tooltip: a file with a 1 MB parameter name should not make a 1 MB picture.
TOOLTIP_LIMIT = 20_000
# Graphviz reads no quoted string above 16384 bytes (versions differ in how much of it counts).
DOT_STRING_LIMIT = 15_000
TIMES = "\u00d7"
# Stands for a backslash in DOT: how often Graphviz substitutes `\\N` differs between versions and
# attributes, and no way of escaping survives all of them.
BACKSLASH = "\u29f5"


def clean(text: str) -> str:
    """`text` without characters that XML or a terminal cannot show.

    Line breaks and tabs become spaces; control, formatting (right-to-left overrides) and lone
    surrogate characters become U+FFFD. Zero-width joiners stay: emoji need them.
    """
    return "".join(map(_clean_char, text))


def _clean_char(char: str) -> str:
    if char in "\n\r\t\v\f":
        return " "
    if char == "\u200d" or (char.isascii() and char.isprintable()):
        return char
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return "\ufffd"
    return char


def shorten(text: str, limit: int = 32) -> str:
    """At most `limit` characters; the end of a dotted name says more than its beginning."""
    text = clean(text[:TOOLTIP_LIMIT])
    if len(text) <= limit:
        return text
    head = (limit - 1) // 3
    return f"{text[:head]}…{text[-(limit - 1 - head) :]}"


def tail(text: str, limit: int) -> str:
    """The end of `text`, from a dot on where there is one: `…attn.c_proj`."""
    text = clean(text[-TOOLTIP_LIMIT:])
    if len(text) <= limit:
        return text
    end = text[-(limit - 1) :]
    _, dot, inner = end.partition(".")
    return f"…{inner if dot and len(inner) > 2 else end}"


def escape(text: str) -> str:
    """`text` as XML character data, cleaned."""
    return html.escape(clean(text), quote=True)


def tooltip(*lines: str) -> str:
    """Lines of a tooltip, each cleaned and limited, empty ones left out."""
    kept = (clean(line[:TOOLTIP_LIMIT]) for line in lines if line)
    return "\n".join(kept)


def dot_tooltip(text: str) -> str:
    """`text` for an attribute of DOT that is an escString; `<...>` would be taken for HTML."""
    text = text.replace("\\", BACKSLASH)
    room = DOT_STRING_LIMIT
    for at, char in enumerate(text):
        room -= len(html.escape(char, quote=True).encode())
        if room < 0:
            text = text[:at] + "…"
            break
    return html.escape(text, quote=True)


def dot_label(text: str) -> str:
    """`text` for inside an HTML-like label of DOT."""
    return escape(text).replace("\\", BACKSLASH)


def count(number: int) -> str:
    """A number for people: 940, 9.4 k, 124 M."""
    if number < 10_000:
        return f"{number:,}"
    for factor, unit in ((1e3, "k"), (1e6, "M"), (1e9, "G")):
        if number < 999.5 * factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number / 1e12:.3g} T"


def plural(number: int, word: str) -> str:
    """`1 edge`, `2 edges`."""
    name = word if number == 1 else f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{count(number)} {name}"


def nodes(number: int, kind: str) -> str:
    """`1 neuron`, `50,257 vocabulary entries`."""
    return plural(number, palette.WORDS.get(kind, kind))


def shape(sizes: tuple[int, ...]) -> str:
    """Sizes with a multiplication sign between them; a scalar is `1`."""
    return TIMES.join(map(str, sizes)) or "1"


def value(number: complex) -> str:
    """A parameter's value."""
    if isinstance(number, complex):
        return f"{number.real:.4g}{number.imag:+.4g}i"
    return f"{number:.4g}" if math.isfinite(number) else str(number)
