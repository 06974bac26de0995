"""What Graphviz writes, made to stand alone: real tooltips, no links, no document type."""

from __future__ import annotations

import xml.etree.ElementTree as ET

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"


def standalone(picture: bytes, title: str, description: str) -> str:
    """SVG text of Graphviz's `picture`, with tooltips in `<title>` and a title of its own."""
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(picture)
    for parent in list(root.iter(f"{{{SVG}}}g")):
        if parent.get("class") in ("node", "edge", "cluster", "graph"):
            _unwrap(parent)
    for number, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(f"{{{SVG}}}{tag}")
        element.text = text
        element.tail = "\n"
        root.insert(number, element)
    root.set("role", "img")
    return ET.tostring(root, encoding="unicode") + "\n"


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
