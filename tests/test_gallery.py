"""The gallery of the docs: what the page names is there, and is what the tool would write today."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import gmn_fx
from tests.drawing.pictures import assert_stands_alone, drawn_nodes, parse, strokes_in, texts
from tools import gallery

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGE = (DOCS / "gallery.md").read_text()
BY_NAME = {p.name: p for p in gallery.PICTURES_SHOWN}
# Those that take no library and well under a second.
FAST = ["mlp", "lstm", "resnet-block", "attention-block"]


def shown() -> list[str]:
    """The pictures that the page shows, in order."""
    return re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE)


def test_the_page_shows_all_ten_pictures() -> None:
    assert shown() == [f"images/gallery/{name}.svg" for name in BY_NAME]
    assert len(set(shown())) == 10


def test_no_picture_is_left_over() -> None:
    files = {p.relative_to(DOCS).as_posix() for p in (DOCS / gallery.PICTURES).iterdir()}
    assert files == set(shown())


@pytest.mark.parametrize("name", BY_NAME)
def test_pictures_stand_alone(name: str) -> None:
    text = (DOCS / gallery.PICTURES / f"{name}.svg").read_text()
    assert_stands_alone(text)
    assert BY_NAME[name].title in texts(parse(text))


def test_pictures_are_of_bearable_size() -> None:
    assert sum(p.stat().st_size for p in (DOCS / gallery.PICTURES).iterdir()) < 1_500_000


@pytest.mark.parametrize("name", FAST)
def test_pictures_are_what_the_tool_draws_today(name: str) -> None:
    picture = BY_NAME[name]
    graph = picture.graph()
    assert picture.section(graph) == gallery.sections(PAGE)[picture.title]
    kept = parse((DOCS / gallery.PICTURES / f"{name}.svg").read_text())
    drawn = parse(gmn_fx.draw(graph, **picture.options))

    def looks(root) -> tuple:
        # Signs are those of random numbers; what is drawn and said is not.
        strokes = Counter("valued" if c in ("positive", "negative") else c
                          for c, _ in strokes_in(root))  # fmt: skip
        marks = Counter(e.get("class") for e in drawn_nodes(root))
        return strokes, marks, [t for t in texts(root) if "full width" not in t]

    assert looks(kept) == looks(drawn)
    assert sum(looks(drawn)[1].values()) == graph.num_nodes


@pytest.mark.parametrize("name", BY_NAME)
def test_the_page_is_what_the_tool_says(name: str) -> None:
    # Numbers aside: counting those of the large ones takes an extraction.
    picture = BY_NAME[name]
    section = gallery.sections(PAGE)[picture.title]
    assert f"```python\n{picture.lines}\n```" in section
    assert " ".join(picture.text.split()) in " ".join(section.split())
    assert re.search(r"^[\d,]+ groups, [\d,]+ nodes, [\d,]+ edges\.$", section, re.MULTILINE)


def run(*options: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tools.gallery", *options],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stderr


def test_the_tool_draws_one_and_keeps_the_others(tmp_path: Path) -> None:
    (tmp_path / "gallery.md").write_text(PAGE.replace("24 nodes", "25 nodes"))
    run("--out", str(tmp_path), "--only", "mlp")
    assert (tmp_path / "gallery.md").read_text() == PAGE
    assert [p.name for p in (tmp_path / gallery.PICTURES).iterdir()] == ["mlp.svg"]


def test_the_tool_names_what_it_knows(tmp_path: Path) -> None:
    said = run("--out", str(tmp_path), "--only", "alexnet", code=2)
    assert "alexnet" in said
    assert "resnet-block" in said
