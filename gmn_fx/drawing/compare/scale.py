"""Colours of changes: a sequential scale in blue, and one colour and dash for each other state.

Blue against vermillion and green of Okabe and Ito's palette can be told apart by colour-blind
readers; dashes and numbers say the same without colour.
"""

from __future__ import annotations

from dataclasses import dataclass

from gmn_fx.drawing import palette
from gmn_fx.drawing.compare.changes import State
from gmn_fx.drawing.compare.measure import Difference
from gmn_fx.drawing.stylesheet import Rule


@dataclass(frozen=True)
class Look:
    """How one state looks.

    key: its name in a page. color, dark: on light and on dark. style: dash as in DOT. legend: text.
    """

    key: str
    color: str
    dark: str
    style: str
    legend: str


SAME = Look("same", "#C9CCD1", "#4A4F59", "solid", "unchanged")
# (relative change up to which it is used, look), from pale to strong.
STEPS: tuple[tuple[float, Look], ...] = (
    (0.001, Look("step-1", "#A6CBE8", "#2E5C85", "solid", "Δ ≤ 0.1 %")),
    (0.01, Look("step-2", "#6FADD9", "#3C7FB5", "solid", "Δ ≤ 1 %")),
    (0.1, Look("step-3", "#3787C0", "#5AA6E0", "solid", "Δ ≤ 10 %")),
    (1.0, Look("step-4", "#125EA6", "#93CBF5", "solid", "Δ ≤ 100 %")),
    (float("inf"), Look("step-5", "#082F6B", "#DCEFFF", "solid", "Δ > 100 %")),
)
NOT_FINITE = Look("not-finite", "#C2418B", "#F08CC4", "bold", "nan or inf")
# Values that are not compared: other dtypes or shapes without values.
NO_NUMBER = Look("no-number", "#3787C1", "#5AA6E1", "dotted", "other dtype")
REWIRED = Look("rewired", "#8F8400", "#E5D93B", "solid", "other op or wiring")
RESIZED = Look("resized", "#8A5AA8", "#CFA5EA", "bold", "other size")
ADDED = Look("added", palette.GREEN, "#35C79B", "bold", "only in b")
REMOVED = Look("removed", palette.VERMILLION, "#FF8C4D", "dashed", "only in a")

# The order of the legend.
ALL: tuple[Look, ...] = (
    SAME, *(look for _, look in STEPS), NOT_FINITE, NO_NUMBER, REWIRED, RESIZED, REMOVED, ADDED,
)  # fmt: skip
_PLAIN: dict[State, Look] = {
    "same": SAME,
    "rewired": REWIRED,
    "resized": RESIZED,
    "added": ADDED,
    "removed": REMOVED,
}


def look_of(state: State, difference: Difference | None) -> Look:
    """The look of a change."""
    if state != "changed":
        return _PLAIN[state]
    if difference is None or not difference.changed:
        return NO_NUMBER
    if difference.not_finite:
        return NOT_FINITE
    return next(look for top, look in STEPS if difference.relative <= top)


def dark_rules(looks: tuple[Look, ...] = ALL) -> list[Rule]:
    """Rules of a style sheet that put the dark colours in the place of the light ones."""
    # Important: a box that is changed keeps its light colour by a style of its own.
    return [
        (f'[{what}="{look.color}" i]', f"{what}:{look.dark} !important")
        for look in looks
        for what in ("stroke", "fill")
    ]
