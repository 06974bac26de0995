"""Differences in words: numbers for arrows and tables, and the sentence that sums up."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from gmn_fx.drawing.compare.measure import Difference
from gmn_fx.drawing.text import TIMES, plural, shorten, value

if TYPE_CHECKING:
    from gmn_fx.drawing.compare.comparison import Comparison

# Longest name of a parameter in a sentence.
NAME = 60


def percent(difference: Difference) -> str:
    """The relative change for an arrow: `3.1 %`; what has no ratio in words."""
    if difference.not_finite:
        return "nan or inf"
    ratio = difference.relative
    if math.isinf(ratio):
        return "from 0"
    if ratio == 0:
        return "signs of 0" if difference.changed else "0 %"
    if ratio < 1e-6:
        return f"{ratio:.0e}".replace("e-0", "e-")
    return f"{float(f'{100 * ratio:.2g}'):,.15g} %" if ratio < 100 else f"{TIMES}{ratio:,.3g}"


def ratio(difference: Difference) -> str:
    """The relative change for a table: `0.0312`."""
    return "inf" if math.isinf(difference.relative) else f"{difference.relative:.3g}"


def about(difference: Difference, index: tuple[int, ...]) -> str:
    """Line of a tooltip: how many elements differ, the largest change and where."""
    parts = [f"{difference.changed:,} of {plural(difference.elements, 'element')} differ"]
    if difference.place >= 0:
        where = f" at [{', '.join(map(str, index))}]" if index else ""
        parts.append(f"most{where}: {value(difference.before)} → {value(difference.after)}")
    if difference.not_finite:
        parts.append(f"{difference.not_finite:,} nan or inf")
    return "; ".join(parts)


def summary(found: Comparison) -> str:
    """What differs, in one sentence."""
    if found.identical:
        if found.valued:
            return f"no difference: equal structure, {_entries(len(found.slots))} with equal values"
        return "no difference: equal structure, no values to compare"
    if found.disjoint:
        return f"nothing in common: {_structure(found)}"
    said = "equal structure" if found.same_structure else f"structure differs: {_structure(found)}"
    return "; ".join([said, *_values(found), *_names(found)])


def _entries(number: int) -> str:
    return plural(number, "parameter")


def _structure(found: Comparison) -> str:
    parts = []
    slots: Counter[str] = Counter(c.state for c in found.slots)
    for state in ("added", "removed", "resized"):
        if slots[state]:
            parts.append(f"{_entries(slots[state])} {state}")
    groups: Counter[str] = Counter(c.state for c in found.groups)
    for state in ("added", "removed"):
        if groups[state]:
            parts.append(f"{plural(groups[state], 'group')} {state}")
    moved = sum(c.state == "rewired" for c in found.bundles)
    if moved:
        parts.append(f"{plural(moved, 'bundle')} rewired")
    return ", ".join(parts) or "only labels or wiring inside of bundles"


def _values(found: Comparison) -> list[str]:
    shared = [k for k, c in enumerate(found.slots) if c.pair.a is not None and c.pair.b is not None]
    if not found.valued:
        return [f"values not compared: {_lacking(found)}"] if shared else []
    measured = [k for k in shared if found.slots[k].difference is not None]
    changed = [k for k in measured if found.slots[k].state == "changed"]
    if not changed:
        shown = "all" if len(measured) == len(found.slots) else "all shared"
        return [f"{shown} values equal"]
    top = next(row for row in found.rows() if row.difference is not None)
    assert top.difference is not None
    most = f"most {shorten(top.name, NAME)}"
    if top.difference.not_finite:
        most += f" ({top.difference.not_finite:,} nan or inf)"
    else:
        most += f" (relative {ratio(top.difference)})"
    return [f"{len(changed)} of {_entries(len(measured))} changed, {most}"]


def _lacking(found: Comparison) -> str:
    lacking = [g.name for g in (found.a, found.b) if not g.values]
    if len(lacking) == 1:
        return "one of the graphs holds none"
    return "the graphs hold none" if lacking else "no shapes in common"


def _names(found: Comparison) -> list[str]:
    named = sum(any(n.startswith("named ") for n in c.notes) for c in found.slots)
    return [f"{_entries(named)} renamed"] if named else []
