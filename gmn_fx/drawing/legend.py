"""Title and legend of the architecture view, as an HTML-like label of DOT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmn_fx.drawing import palette
from gmn_fx.drawing.text import dot_label, shorten

PER_ROW = 4


@dataclass(frozen=True)
class Entry:
    """One line of the legend: a box (`stroke` set) or a line (`line` set)."""

    text: str
    color: str
    stroke: str = ""
    line: str = ""


def title_label(title: str, facts: Sequence[str], entries: Sequence[Entry]) -> str:
    """The label of the whole graph: name, lines of facts, legend."""
    small = f'<FONT POINT-SIZE="10" COLOR="{palette.PALE}">'
    rows = [
        f'<TR><TD><FONT POINT-SIZE="16"><B>{dot_label(shorten(title, 60))}</B></FONT></TD></TR>',
        *(f"<TR><TD>{small}{dot_label(line)}</FONT></TD></TR>" for line in facts if line),
    ]
    if entries:
        rows.append(f"<TR><TD>{_table(entries)}</TD></TR>")
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="2">{"".join(rows)}</TABLE>>'


def _table(entries: Sequence[Entry]) -> str:
    rows = []
    for start in range(0, len(entries), PER_ROW):
        cells = "".join(_cells(e) for e in entries[start : start + PER_ROW])
        rows.append(f"<TR>{cells}</TR>")
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3">{"".join(rows)}</TABLE>'


def _cells(entry: Entry) -> str:
    text = f'<TD ALIGN="LEFT"><FONT POINT-SIZE="9">{dot_label(entry.text)}  </FONT></TD>'
    if entry.line:
        glyph = "╌╌" if entry.line == "dashed" else "──"
        return f'<TD><FONT POINT-SIZE="10" COLOR="{entry.color}"><B>{glyph}</B></FONT></TD>{text}'
    return (
        f'<TD><TABLE BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0" '
        f'COLOR="{entry.stroke}" BGCOLOR="{entry.color}" FIXEDSIZE="TRUE" WIDTH="14" HEIGHT="10">'
        f"<TR><TD></TD></TR></TABLE></TD>{text}"
    )
