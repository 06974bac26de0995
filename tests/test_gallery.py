"""The gallery in the docs is what its tool draws."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.drawing.pictures import assert_stands_alone, drawn_nodes, parse, strokes_in
from tools.gallery import HEAD, PICTURES, draw, graph_of, section

DOCS = Path(__file__).resolve().parent.parent / "docs"
FAST = ("mlp", "lenet", "resnet-block", "attention-block", "lstm")


def test_the_page_shows_every_picture() -> None:
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert page.startswith(HEAD)
    shown = re.findall(r"!\[[^\]]*\]\(images/gallery/([\w-]+)\.svg\)", page)
    assert shown == [p.name for p in PICTURES]
    assert sorted(f.stem for f in (DOCS / "images" / "gallery").iterdir()) == sorted(shown)


@pytest.mark.parametrize("name", [p.name for p in PICTURES])
def test_pictures_stand_alone_and_are_small(name: str) -> None:
    text = (DOCS / "images" / "gallery" / f"{name}.svg").read_text(encoding="utf-8")
    assert_stands_alone(text)
    assert len(text) < 500_000


@pytest.mark.parametrize("picture", [p for p in PICTURES if p.name in FAST], ids=lambda p: p.name)
def test_the_tool_would_draw_the_same(picture) -> None:
    graph = graph_of(picture)
    kept = (DOCS / "images" / "gallery" / f"{picture.name}.svg").read_text(encoding="utf-8")
    old, new = parse(kept), parse(draw(picture, graph))
    assert len(drawn_nodes(old)) == len(drawn_nodes(new))
    assert len(strokes_in(old)) == len(strokes_in(new))
    assert [t.text for t in old.iter() if t.tag.endswith("text")] == [
        t.text for t in new.iter() if t.tag.endswith("text")
    ]
    assert section(picture, graph) in (DOCS / "gallery.md").read_text(encoding="utf-8")
