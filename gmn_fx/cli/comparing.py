"""The table of what differs between two graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gmn_fx.cli import report
from gmn_fx.cli.common import say

if TYPE_CHECKING:
    from gmn_fx.drawing.compare import Comparison, Row

FIRST = 20
COLUMNS = {
    "parameter": "", "what": "", "shape": "", "relative": "right", "largest": "right", "at": "",
    "elements": "right", " ": "",
}  # fmt: skip


def print_comparison(found: Comparison) -> None:
    """The parameters that changed most on stdout, then the summary; warnings on stderr."""
    from gmn_fx.drawing.compare import warnings_of

    rows = found.rows()
    if rows:
        title = f"{found.a.name} (a) and {found.b.name} (b)"
        report.print_table(title, COLUMNS, [_cells(row) for row in rows[:FIRST]])
    if len(rows) > FIRST:
        say(f"... {len(rows) - FIRST} more parameters that differ")
    click.echo(found.summary)
    for warning in warnings_of(found):
        say(f"warning: {warning}")


def _cells(row: Row) -> tuple[object, ...]:
    shapes = dict.fromkeys(
        "x".join(map(str, s)) or "scalar" for s in (row.before, row.after) if s is not None
    )
    found, place = row.difference, ""
    if row.place is not None:
        place = f"[{', '.join(map(str, row.place))}]"
    relative, largest, elements = "", "", ""
    if found is not None and row.state != "same":
        relative, largest = f"{found.relative:.3g}", f"{found.largest:.3g}"
        elements = f"{found.changed:,} of {found.elements:,}"
    notes = [*row.notes]
    if found is not None and found.not_finite:
        notes.insert(0, f"{found.not_finite:,} nan or inf")
    if row.state == "resized":
        notes = notes[1:]  # the shapes
    return (
        row.name,
        row.state,
        " -> ".join(shapes),
        relative,
        largest,
        place,
        elements,
        ", ".join(notes),
    )
