"""What the views draw of a comparison: b - a on neurons, changes laid over boxes and arrows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gmn_fx.drawing.compare import words
from gmn_fx.drawing.compare.changes import Change as Found
from gmn_fx.drawing.compare.comparison import Comparison, index_of, strength
from gmn_fx.drawing.compare.measure import minus
from gmn_fx.drawing.compare.scale import ALL, SAME, Look, look_of
from gmn_fx.drawing.fold import HELPERS
from gmn_fx.drawing.legend import Entry
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.overlay import Change, Overlay
from gmn_fx.drawing.text import plural, shape, shorten
from gmn_fx.errors import DrawError
from gmn_fx.graph.model import ParameterGraph

# Notes under an arrow or in a box; the tooltip has all of them.
NOTE = 44


def title_of(found: Comparison) -> str:
    """The title of the picture."""
    return found.union.name or "network"


# ---- neurons


def subtractable(found: Comparison) -> bool:
    """There is a b - a of every parameter."""
    return found.same_structure and all(c.difference is not None for c in found.slots)


def delta_graph(found: Comparison) -> ParameterGraph:
    """The graph with the values b - a; for small graphs, as it copies.

    Raises:
        DrawError: there is no b - a: another structure, or no values.
    """
    if not subtractable(found):
        why = "have no values to subtract" if found.same_structure else "differ in structure"
        raise DrawError(
            f"single neurons show b - a, but these graphs {why}",
            hint='draw the comparison with view="architecture" (--view architecture)',
        )
    values, slots = {}, []
    for change, slot in zip(found.slots, found.union.slots, strict=True):
        one, two = change.pair.a, change.pair.b
        assert one is not None
        assert two is not None
        delta = minus(
            found.b.values[found.b.slots[two].name], found.a.values[found.a.slots[one].name]
        )
        values[slot.name] = delta
        slots.append(replace(slot, dtype=delta.dtype))
    name = f"b \u2212 a: {title_of(found)}"
    return replace(found.union, name=name, slots=tuple(slots), values=values)


# ---- groups and bundles


def overlay_of(found: Comparison) -> Overlay:
    """The changes as the architecture view takes them; what is the same has none."""
    hidden = _from_helpers(found)
    groups = {
        k: _group(c, look, hidden.get(k, ""))
        for k, c in enumerate(found.groups)
        if (look := look_of(c.state, c.difference)) is not SAME
    }
    bundles = {
        k: _bundle(found, k, look)
        for k, c in enumerate(found.bundles)
        if (look := look_of(c.state, c.difference)) is not SAME
    }
    looks = {look_of(c.state, c.difference) for c in (*found.groups, *found.bundles)}
    entries = [_entry(found, look) for look in ALL if look in looks]
    said = "no difference" if found.identical else found.summary
    return Overlay(groups, bundles, tuple(entries), said, SAME.color)


def _entry(found: Comparison, look: Look) -> Entry:
    # A patch of colour is easier to compare than a line; dashes need the line.
    line = look.style in ("dashed", "dotted")
    return Entry(
        legend_of(found, look), look.color, "" if line else look.color, look.style if line else ""
    )


def legend_of(found: Comparison, look: Look) -> str:
    """What the legend says of a look."""
    return "same structure" if look is SAME and not found.valued else look.legend


def _from_helpers(found: Comparison) -> dict[int, str]:
    """Group -> text for its box where what changed most comes from a bias node or the like.

    Those are parts of the box in a crowded picture, and their arrows are not drawn.
    """
    most: dict[int, tuple[float, bool, str]] = {}
    for link in links_of(found.union):
        change = found.bundles[link.bundle]
        if change.state == "changed" and change.difference is not None:
            text = f"{_local(found, link.bundle)} Δ {words.percent(change.difference)}"
            helper = found.union.groups[link.src].kind in HELPERS
            most[link.dst] = max(
                most.get(link.dst, (-1.0, False, "")), (strength(change.difference), helper, text)
            )
    return {group: text for group, (_, helper, text) in most.items() if helper}


def _local(found: Comparison, bundle: int) -> str:
    slot = found.union.bundles[bundle].slot or ""
    return shorten(slot.rpartition(".")[2], NOTE // 2)


def _group(change: Found, look: Look, hidden: str) -> Change:
    # Equal blocks are drawn once: what is said of them must be equal, too.
    if change.state == "changed" and change.difference is not None:
        return Change(look.color, look.style, hidden, f"Δ {words.percent(change.difference)}")
    text = ", ".join(_told(change.notes))
    return Change(look.color, look.style, shorten(text, NOTE), _said(change, look))


def _bundle(found: Comparison, number: int, look: Look) -> Change:
    change = found.bundles[number]
    difference = change.difference
    texts, about = _told(change.notes), [_shapes(found, number)]
    if change.state == "changed" and difference is not None:
        texts.insert(0, f"Δ {words.percent(difference)}")
        about += [f"Δ {words.percent(difference)}", *change.notes]
        about.append(words.about(difference, _index(found, number, difference.place)))
    else:
        about.append(_said(change, look))
    if texts and found.union.bundles[number].slot:
        mark = "" if texts[0].startswith("Δ") else ":"
        texts[0] = f"{_local(found, number)}{mark} {texts[0]}"
    text = shorten(", ".join(texts), NOTE)
    return Change(look.color, look.style, text, "; ".join(filter(None, about)))


def _told(notes: Sequence[str]) -> list[str]:
    """Notes that are short and rare enough to be drawn."""
    return [n for n in notes if not n.startswith("named ")]


def _said(change: Found, look: Look) -> str:
    return "; ".join(dict.fromkeys((look.legend, *change.notes)))


def _shapes(found: Comparison, number: int) -> str:
    """Old and new shape of the parameter on a bundle, where they are not equal."""
    change = found.slot_of(number)
    if change is None or change.pair.a is None or change.pair.b is None:
        return ""
    one, two = found.a.slots[change.pair.a].shape, found.b.slots[change.pair.b].shape
    return f"{shape(one)} in a, {shape(two)} in b" if one != two else ""


def _index(found: Comparison, number: int, place: int) -> tuple[int, ...]:
    change = found.slot_of(number)
    if place < 0 or change is None or change.pair.a is None:
        return ()
    return index_of(place, found.a.slots[change.pair.a].shape)


def warnings_of(found: Comparison) -> Sequence[str]:
    """What a reader should know before they trust the picture."""
    out = []
    if found.disjoint:
        out.append("the graphs have no parameter in common: is OTHER a version of GRAPH?")
    lacking = [g.name for g in (found.a, found.b) if g.slots and not g.values]
    if len(lacking) == 1:
        out.append(f"the graph {shorten(lacking[0])!r} holds no values: only structure is compared")
    shared = sum(c.pair.a is not None and c.pair.b is not None for c in found.slots)
    unread = shared - sum(c.difference is not None or c.state == "resized" for c in found.slots)
    if found.valued and unread > 0:
        out.append(f"the values of {plural(unread, 'parameter')} are missing and not compared")
    return out
