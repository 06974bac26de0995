"""What Graphviz writes, made to stand alone: real tooltips, no links, a style sheet, a size."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence

from gmn_fx.drawing import palette
from gmn_fx.drawing.render import render
from gmn_fx.drawing.stylesheet import ROOT, Rule, stylesheet

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
# Pixels of a screen in a point, as browsers have it.
PIXELS = 4 / 3
# Graphviz writes these by name.
_NAMED = {"white": "#FFFFFF", "black": "#000000"}


def boxes_picture(
    dot: str, format: str, title: str, description: str, more: Sequence[Rule] = ()
) -> tuple[str, bytes]:
    """The text (SVG, or DOT for `"dot"`) of an architecture view, and its file in `format`.

    more: rules for the style sheet.
    """
    if format == "dot":
        return dot, dot.encode()
    svg = standalone(render(dot), title, description, more)
    return svg, svg.encode() if format == "svg" else render(dot, format)


def standalone(picture: bytes, title: str, description: str, more: Sequence[Rule] = ()) -> str:
    """SVG text of Graphviz's `picture`, with tooltips in `<title>` and a title of its own.

    more: rules for the style sheet.
    """
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(picture)
    for parent in list(root.iter(f"{{{SVG}}}g")):
        kinds = (parent.get("class") or "").split()
        if kinds and kinds[0] in ("node", "edge", "cluster", "graph"):
            _unwrap(parent)
            _keep_own_colours(parent, kinds)
    for graph in [g for g in root.iter(f"{{{SVG}}}g") if g.get("class") == "graph"]:
        _classify_legend(graph)
        _raise_frame_names(graph)
    for mark in root.iter(f"{{{SVG}}}text"):
        _classify_text(mark)
    extra = (("title", title), ("desc", description), ("style", stylesheet(more)))
    for number, (tag, text) in enumerate(extra):
        element = ET.Element(f"{{{SVG}}}{tag}")
        element.text = text
        element.tail = "\n"
        root.insert(number, element)
    root.set("role", "img")
    root.set("class", ROOT)
    _scale(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _scale(root: ET.Element) -> None:
    """A size in pixels that shrinks with the page it is on."""
    sizes = (root.get("viewBox") or "").split()
    if len(sizes) == 4:
        root.set("width", f"{float(sizes[2]) * PIXELS:.0f}")
        root.set("height", f"{float(sizes[3]) * PIXELS:.0f}")
        root.set("style", "max-width:100%;height:auto")


def _unwrap(group: ET.Element) -> None:
    """`<title>id</title><g><a xlink:title=tip>marks</a></g>` -> `<title>tip</title>marks`."""
    tip = ""
    for wrapper in [c for c in group if c.tag == f"{{{SVG}}}g" and c.get("class") is None]:
        link = wrapper.find(f"{{{SVG}}}a")
        if link is None:
            continue
        tip = link.get(f"{{{XLINK}}}title", tip)
        at = list(group).index(wrapper)
        group.remove(wrapper)
        for number, mark in enumerate(list(link)):
            group.insert(at + number, mark)
    title = group.find(f"{{{SVG}}}title")
    if title is None and tip:
        title = ET.Element(f"{{{SVG}}}title")
        group.insert(0, title)
    if title is not None:
        title.text = tip or None
        if not tip:
            group.remove(title)


def _keep_own_colours(group: ET.Element, kinds: list[str]) -> None:
    """Colours that the style sheet must not replace become styles of the marks."""
    if kinds[0] != "node":
        return
    for mark in group:
        keep = []
        if mark.get("fill") == "none":
            keep.append("fill:none")
        if "changed" in kinds and re.fullmatch(r"#\w+", mark.get("stroke") or ""):
            keep.append(f"stroke:{mark.get('stroke')}")
        if keep and mark.tag.endswith(("polygon", "path", "polyline")):
            mark.set("style", ";".join(keep))


def _classify_legend(graph: ET.Element) -> None:
    """Classes for the paper and for the swatches, by their colours: cells of labels have none."""
    fill = ""
    for number, mark in enumerate(_polygons(graph)):
        if number == 0:
            mark.set("class", "paper")
        elif mark.get("fill") != "none":
            fill = _colour(mark.get("fill"))
            mark.set("class", f"swatch {_kind(fill, '')}".strip())
            painted = mark
        elif fill:
            kind = _kind(fill, _colour(mark.get("stroke")))
            painted.set("class", f"swatch {kind}".strip())
            mark.set("class", f"outline {kind}".strip())


def _polygons(graph: ET.Element) -> Iterator[ET.Element]:
    yield from (c for c in graph if c.tag == f"{{{SVG}}}polygon")


def _colour(text: str | None) -> str:
    return _NAMED.get(text or "", text or "").upper()


def _kind(fill: str, stroke: str) -> str:
    """The kind of node that has these colours, "" for a stranger."""
    for kind, style in palette.NODES.items():
        if style.fill.upper() == fill and stroke in ("", style.stroke.upper()):
            return kind
    return ""


def _raise_frame_names(graph: ET.Element) -> None:
    """Names of frames are written over the arrows that cross them."""
    for cluster in [g for g in graph if (g.get("class") or "").startswith("cluster")]:
        for text in cluster.findall(f"{{{SVG}}}text"):
            cluster.remove(text)
            text.set("class", "halo")
            text.set("stroke", palette.LIGHT.frame)
            text.set("stroke-width", "3")
            text.set("paint-order", "stroke")
            graph.append(text)


def _classify_text(text: ET.Element) -> None:
    colour = _colour(text.get("fill"))
    if colour == palette.PALE.upper():
        text.set("class", f"{text.get('class', '')} pale".strip())
        return
    for name, style in palette.EDGES.items():
        if colour == style.color.upper() and not set(text.text or "x") - set("─╌"):
            text.set("class", f"glyph {name}")
            return
    if colour not in ("", "#000000", palette.INK.upper(), palette.LIGHT.paper):
        text.set("style", f"fill:{text.get('fill')}")
