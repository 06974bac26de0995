"""The page of a comparison: the explorer on both graphs in one, with what became of each part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gmn_fx.drawing.compare import words
from gmn_fx.drawing.compare.changes import Change
from gmn_fx.drawing.compare.comparison import Comparison, Row
from gmn_fx.drawing.compare.deltas import Both
from gmn_fx.drawing.compare.picture import legend_of, overlay_of, warnings_of
from gmn_fx.drawing.compare.scale import ALL, SAME, look_of
from gmn_fx.drawing.explorer.data import (
    can_be_shown,
    graph_data,
    left_out,
    pack_numbers,
    text,
)
from gmn_fx.drawing.explorer.embedded import Embedded, embedded_edges
from gmn_fx.drawing.explorer.page import MAX_EDGES, SCRIPTS, STYLES, page_html
from gmn_fx.drawing.text import plural, shape

NUMBERS = {look: k for k, look in enumerate(ALL)}


def comparison_html(found: Comparison, *, start: str = "auto", max_edges: int = MAX_EDGES) -> str:
    """HTML of a page to explore what differs; as safe as that of one graph.

    Args:
        found: the comparison.
        start: as for `explorer_html`.
        max_edges: most single edges in the file: of each bundle those that differ most.
    """
    data = comparison_data(found, max_edges) | {"start": start}
    title = found.union.name or "network"
    return page_html(data, title, ("changes.js", *SCRIPTS), (*STYLES, "changes.css"))


def comparison_data(found: Comparison, max_edges: int) -> dict[str, Any]:
    """The data of the page: that of the union, and what became of each part of it."""
    union, both = found.union, Both(found)
    numbers = [both.numbers(k) for k in range(len(union.bundles))]
    edges = embedded_edges(union, numbers, can_be_shown(union), max_edges)
    edges = [_differing(e) if e.sampled else e for e in edges]
    data = graph_data(union, edges, [text(n) for n in _notes(found, edges)])
    columns = [both.columns(k, e) for k, e in enumerate(edges)]
    before, after = (pack_numbers([c[side] for c in columns]) for side in (0, 1))
    for theme in ("light", "dark"):
        colors = {k.key: k.color if theme == "light" else k.dark for k in ALL}
        data["palette"][theme]["edges"] |= colors
    facts = [plural(union.num_nodes, "node"), plural(union.num_edges, "edge")]
    data["facts"] = f"{' · '.join(facts)} of both graphs"
    return data | {"changes": _changes(found) | {"before": before, "after": after}}


def _notes(found: Comparison, edges: Sequence[Embedded]) -> list[str]:
    known = any(e.values is not None for e in edges)
    which = "those that differ most of each bundle" if known else "all of the small bundles"
    why = "does not differ" if known else "has no values"
    arrows = f"a bundle that {why} and is too large for this file is one arrow"
    out = [*warnings_of(found), *left_out(found.union, edges, which, arrows)]
    if any(t.is_complex() for g in (found.a, found.b) for t in g.values.values()):
        out.append("complex numbers: a and b are real parts, b \u2212 a is the size")
    return out


def _differing(found: Embedded) -> Embedded:
    """Where not all edges fit, those that do not differ need not be there."""
    assert found.values is not None
    kept = np.flatnonzero(found.values)
    return replace(found, edges=found.edges.at(kept), values=found.values[kept])


def _changes(found: Comparison) -> dict[str, Any]:
    about = overlay_of(found).bundles
    names = {s.name: k for k, s in enumerate(found.union.slots)}
    rows = {names[r.name]: r for r in found.rows()}
    return {
        "summary": text(found.summary),
        "looks": [{"key": k.key, "legend": legend_of(found, k)} for k in ALL],
        "groups": [
            _said(c) | _other(_group_name(found, k), found.union.groups[k].name)
            for k, c in enumerate(found.groups)
        ],
        "bundles": [
            _said(c) | ({"about": text(about[k].about)} if k in about else {}) | {"state": c.state}
            for k, c in enumerate(found.bundles)
        ],
        "slots": [
            _said(c) | _other(_slot_name(found, c), found.union.slots[k].name) | _row(rows.get(k))
            for k, c in enumerate(found.slots)
        ],
        "rows": list(rows),
    }  # fmt: skip


def _said(change: Change) -> dict[str, Any]:
    """Look and words of a change; nothing of what is the same."""
    look = look_of(change.state, change.difference)
    out: dict[str, Any] = {} if look is SAME else {"look": NUMBERS[look]}
    if change.state == "changed" and change.difference is not None and change.difference.changed:
        out["said"] = f"Δ {words.percent(change.difference)}"
    elif look is not SAME or change.notes:
        # Sizes say more than that they differ.
        told = [n for n in change.notes if not n.startswith("named ")]
        out["said"] = text(", ".join(told) or (look.legend if look is not SAME else "other name"))
    if change.notes:
        out["notes"] = [text(n) for n in change.notes]
    return out


def _other(name: str | None, own: str) -> dict[str, str]:
    return {"other": text(name)} if name and name != own else {}


def _slot_name(found: Comparison, change: Change) -> str | None:
    return None if change.pair.b is None else found.b.slots[change.pair.b].name


def _group_name(found: Comparison, number: int) -> str | None:
    pair = found.groups[number].pair
    if pair.b is None or found.b.groups[pair.b].kind == "input":
        return None
    return found.b.groups[pair.b].name


def _row(row: Row | None) -> dict[str, Any]:
    """What the table says of a parameter besides: shapes, and the element that changed most."""
    if row is None:
        return {}
    shapes = dict.fromkeys(shape(s) for s in (row.before, row.after) if s is not None)
    lines = [" → ".join(shapes)]
    if row.state == "changed" and row.difference is not None:
        lines.append(words.about(row.difference, row.place or ()))
    return {"about": text("; ".join(lines))}
