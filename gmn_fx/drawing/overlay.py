"""Changes laid over the architecture view: another picture's colours, notes and legend rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gmn_fx.drawing.legend import Entry


@dataclass(frozen=True)
class Change:
    """How one group or bundle looks under an overlay.

    color: stroke of the box or arrow, as `#RRGGBB`. style: dash of the stroke, a style of DOT
    (`"solid"`, `"dashed"`, `"dotted"`, `"bold"`). text: small line under its label. about: line
    of its tooltip.
    """

    color: str
    style: str = "solid"
    text: str = ""
    about: str = ""


@dataclass(frozen=True)
class Overlay:
    """Changes by number of the group or bundle in the graph.

    groups: number of a group -> its change. bundles: number of a bundle -> its change.
    entries: rows added to the legend, weak ones first. subtitle: added to the facts under the
    title.
    rest: colour of the strokes of all that has no change, which is drawn pale; "" draws it as ever.
    """

    groups: Mapping[int, Change] = field(default_factory=dict)
    bundles: Mapping[int, Change] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    subtitle: str = ""
    rest: str = ""
