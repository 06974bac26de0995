"""The style sheet inside a picture: dark colours where the reader's screen is dark.

Light colours are attributes of the marks, so that programs without style sheets (and printers)
draw them; the sheet overrides them on dark screens only. Classes: `paper`, `frame`, `pale`;
`node KIND`; `swatch KIND` and `outline KIND` in a legend; `halo` for names of frames;
`edge CLASS`, `cell CLASS` (of a kernel) and, for text that draws a line, `glyph CLASS`, with a
class of `palette.EDGES` or `palette.SIGNS`.
"""

from __future__ import annotations

from gmn_fx.drawing import palette


def stylesheet() -> str:
    """Text of the `<style>` element; it refers to nothing outside."""
    return f"@media screen and (prefers-color-scheme:dark){{{dark_rules()}}}"


def dark_rules() -> str:
    """The rules for a dark screen."""
    dark = palette.DARK
    rules = [
        f"text{{fill:{dark.ink}}}",
        f"text.pale,.pale text{{fill:{dark.pale}}}",
        f".labels{{stroke:{dark.paper}}}",
        f".tile{{stroke:{dark.frame_line}}}",
        f".head{{stroke:{palette.NODES['product'].dark_stroke}}}",
        f".paper{{fill:{dark.paper}}}",
        f".frame,.cluster>path,.cluster>polygon{{fill:{dark.frame};stroke:{dark.frame_line}}}",
        f".cluster.run>path{{stroke:{dark.pale}}}",
        f"text.halo{{stroke:{dark.frame}}}",
        f".node.bias>text{{fill:{dark.paper}}}",
    ]
    for kind, style in palette.NODES.items():
        marks = f".node.{kind}>:not(text,title)"
        rules.append(f"{marks}{{fill:{style.dark_fill};stroke:{style.dark_stroke}}}")
        rules.append(f".swatch.{kind}{{fill:{style.dark_fill}}}")
        rules.append(f".outline.{kind}{{stroke:{style.dark_stroke}}}")
    for name, edge in {**palette.EDGES, **palette.SIGNS}.items():
        rules.append(f".edge.{name},.edge.{name}>path{{stroke:{edge.dark}}}")
        rules.append(f".cell.{name}{{fill:{edge.dark}}}")
        rules.append(f".glyph.{name}{{fill:{edge.dark}}}")
        rules.append(f".edge.{name}>polygon{{fill:{edge.dark};stroke:{edge.dark}}}")
    return "".join(rules)
