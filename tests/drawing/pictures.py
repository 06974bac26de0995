"""Reading SVG in tests: structure only, since coordinates differ between renderers."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
SVG = "{http://www.w3.org/2000/svg}"


def parse(text: str) -> ET.Element:
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    return root


def assert_golden(name: str, text: str) -> None:
    """`text` is what the file says; with GMN_FX_UPDATE_GOLDEN it is written there first."""
    file = GOLDEN / name
    if os.environ.get("GMN_FX_UPDATE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [e for e in root.iter() if name in (e.get("class") or "").split()]


def drawn_nodes(root: ET.Element, kind: str = "node") -> list[ET.Element]:
    """Nodes of the picture, not of its legend."""
    body = next(e for e in root.iter() if e.get("class") == "nodes")
    return of_class(body, kind)


def strokes_in(root: ET.Element) -> list[tuple[str, ET.Element]]:
    """(class, the group that holds its look) of every stroke of a neuron picture."""
    body = next(e for e in root.iter() if e.get("class") == "edges")
    return [((g.get("class") or "").split()[1], g) for g in body for _ in g.findall(f"{SVG}path")]


def texts(root: ET.Element) -> list[str]:
    return [" ".join("".join(e.itertext()).split()) for e in root.iter(f"{SVG}text")]


def tips(root: ET.Element) -> list[str]:
    return [e.text or "" for e in root.iter(f"{SVG}title")]


def assert_stands_alone(text: str) -> None:
    """Nothing that runs, and nothing from outside."""
    root = parse(text)
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        assert name not in ("script", "a", "image", "use", "foreignObject", "iframe"), name
        if name == "style":
            assert "url(" not in (element.text or "")
        for key, given in element.attrib.items():
            local = key.rpartition("}")[2]
            assert not local.startswith("on"), key
            assert local not in ("href", "src"), key
            assert "url(" not in given, given
    assert "@import" not in text
    assert "<!ENTITY" not in text
