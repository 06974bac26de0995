"""The picture of a comparison: both graphs in one, what differs in colour, what is equal pale."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from gmn_fx.drawing import render
from gmn_fx.drawing.architecture import architecture_dot, check_depth
from gmn_fx.drawing.compare import words
from gmn_fx.drawing.compare.changes import Change as Found
from gmn_fx.drawing.compare.comparison import Comparison, index_of, strength
from gmn_fx.drawing.compare.scale import ALL, SAME, Look, dark_rules, look_of
from gmn_fx.drawing.fold import HELPERS, MAX_BOXES
from gmn_fx.drawing.legend import Entry
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.neurons import choose_view
from gmn_fx.drawing.overlay import Change, Overlay
from gmn_fx.drawing.svg import boxes_picture
from gmn_fx.drawing.text import plural, shape, shorten, tooltip
from gmn_fx.errors import DrawError
from gmn_fx.graph.model import ParameterGraph

# Notes under an arrow or in a box; the tooltip has all of them.
NOTE = 44


def draw_comparison(
    found: Comparison,
    path: str | os.PathLike[str] | None = None,
    *,
    view: str = "auto",
    max_boxes: int = MAX_BOXES,
    max_edges: int | None = None,
    rankdir: Literal["TB", "LR"] = "TB",
    depth: int | None = None,
    fold_repeats: bool = True,
) -> str:
    """Draw what differs between two graphs; returns SVG text, or DOT text for a `.dot` path.

    Args:
        found: the comparison.
        path: file to write as well, as for `draw`.
        view: `"architecture"`; `"neuron"` for the values b - a on the edges of two graphs of equal
            structure; or `"auto"`, which takes the neuron view for small ones.
        max_boxes: as for `draw`.
        max_edges: as for `draw`.
        rankdir: as for `draw`.
        depth: as for `draw`.
        fold_repeats: as for `draw`; blocks are drawn once only if they changed alike.

    Raises:
        DrawError: as for `draw`, or a view of neurons for graphs that have no b - a.
        FileError: the file cannot be written.
    """
    from gmn_fx.drawing import picture

    format = render.format_of(path) if path is not None else "svg"
    if format == "html":
        raise DrawError(
            "a comparison is a picture, not a page to explore",
            hint="write it to .svg, .png, .pdf or .dot; each graph alone can be a page",
        )
    picture.check(found.union, view, max_boxes, rankdir)
    check_depth(depth)
    limits = {} if max_edges is None else {"max_edges": max_edges}
    chosen = view
    if view == "auto":
        small = _subtractable(found) and not found.identical
        chosen = (
            choose_view(found.union, max_edges or picture.MAX_EDGES) if small else "architecture"
        )
    if chosen in ("neuron", "hybrid"):
        return picture.draw(delta_graph(found), path, view=chosen, **limits)  # type: ignore[arg-type]
    dot = architecture_dot(
        found.union, max_boxes=max_boxes, rankdir=rankdir, depth=depth, fold_repeats=fold_repeats,
        overlay=overlay_of(found),
    )  # fmt: skip
    title, about = tooltip(title_of(found)), tooltip(found.summary)
    text, data = boxes_picture(dot, format, title, about, dark_rules())
    if path is not None:
        render.write_file(path, data)
    return text


def title_of(found: Comparison) -> str:
    """The title of the picture."""
    return found.union.name or "network"


# ---- neurons


def _subtractable(found: Comparison) -> bool:
    return found.same_structure and all(c.difference is not None for c in found.slots)


def delta_graph(found: Comparison) -> ParameterGraph:
    """The graph with the values b - a; for small graphs, as it copies.

    Raises:
        DrawError: there is no b - a: another structure, or no values.
    """
    if not _subtractable(found):
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
        delta = _minus(
            found.b.values[found.b.slots[two].name], found.a.values[found.a.slots[one].name]
        )
        values[slot.name] = delta
        slots.append(replace(slot, dtype=delta.dtype))
    name = f"b \u2212 a: {title_of(found)}"
    return replace(found.union, name=name, slots=tuple(slots), values=values)


def _minus(two: Tensor, one: Tensor) -> Tensor:
    """`two - one`, wide enough for both; equal elements give 0, infinite ones too."""
    wide = torch.complex128 if one.is_complex() or two.is_complex() else torch.float64
    left, right = one.detach().to("cpu", wide), two.detach().to("cpu", wide)
    return torch.where(left == right, torch.zeros_like(left), right - left)


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
    text = "same structure" if look is SAME and not found.valued else look.legend
    # A patch of colour is easier to compare than a line; dashes need the line.
    line = look.style in ("dashed", "dotted")
    return Entry(text, look.color, "" if line else look.color, look.style if line else "")


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
