"""The style sheet inside a picture: dark colours where the reader's screen is dark.

Light colours are attributes of the marks, so that programs without style sheets (and printers)
draw them; the sheet overrides them on dark screens only. Pictures are put inline into notebooks,
so every rule is for what is inside a picture of ours (class `gmn-fx`). Classes: `paper`, `frame`,
`pale`; `node KIND`; `swatch KIND` and `outline KIND` in a legend; `halo` for names of frames;
`edge CLASS`, `cell CLASS` (of a kernel) and, for text that draws a line, `glyph CLASS`, with a
class of `palette.EDGES` or `palette.SIGNS`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gmn_fx.drawing import palette

# Class of the root element.
ROOT = "gmn-fx"
# Selectors, separated by commas, and declarations.
Rule = tuple[str, str]


def stylesheet(more: Sequence[Rule] = ()) -> str:
    """Text of the `<style>` element, with `more` rules; it refers to nothing outside."""
    rules = "".join(f"{_inside(names)}{{{body}}}" for names, body in (*_dark_rules(), *more))
    return f"@media screen and (prefers-color-scheme:dark){{{rules}}}"


def _inside(names: str) -> str:
    """Selectors that match inside our pictures only; commas in brackets separate nothing."""
    return ",".join(f".{ROOT} {name}" for name in re.split(r",(?![^(]*\))", names))


def _dark_rules() -> list[Rule]:
    dark = palette.DARK
    rules = [
        ("text", f"fill:{dark.ink}"),
        ("text.pale,.pale text", f"fill:{dark.pale}"),
        (".labels", f"stroke:{dark.paper}"),
        (".tile", f"stroke:{dark.frame_line}"),
        (".head", f"stroke:{palette.NODES['product'].dark_stroke}"),
        (".paper", f"fill:{dark.paper}"),
        (
            ".frame,.cluster>path,.cluster>polygon",
            f"fill:{dark.frame};stroke:{dark.frame_line}",
        ),
        (".cluster.run>path", f"stroke:{dark.pale}"),
        ("text.halo", f"stroke:{dark.frame}"),
        (".node.bias>text", f"fill:{dark.paper}"),
    ]
    for kind, style in palette.NODES.items():
        both = f"fill:{style.dark_fill};stroke:{style.dark_stroke}"
        rules.append((f".node.{kind}>:not(text,title)", both))
        rules.append((f".swatch.{kind}", f"fill:{style.dark_fill}"))
        rules.append((f".outline.{kind}", f"stroke:{style.dark_stroke}"))
    for name, edge in {**palette.EDGES, **palette.SIGNS}.items():
        rules.append((f".edge.{name},.edge.{name}>path", f"stroke:{edge.dark}"))
        rules.append((f".cell.{name},.glyph.{name}", f"fill:{edge.dark}"))
        rules.append((f".edge.{name}>polygon", f"fill:{edge.dark};stroke:{edge.dark}"))
    return rules
