"""Names come from other people's files: nothing in them may run, break or flood a picture."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gmn_fx.drawing import draw, to_dot
from gmn_fx.drawing.text import clean, count, shorten, tail
from gmn_fx.graph.model import ParameterGraph
from tests.drawing.graphs import mlp
from tests.drawing.pictures import assert_stands_alone, parse, texts, tips

HOSTILE = [
    "<script>alert(1)</script>",
    '"><image href="http://x" onload="alert(1)"/>',
    "a\nb\r\n\tc",
    "quote\" 'single' `tick`",
    "back\\slash \\N \\G \\l end\\",
    "&amp; &lt; &#0; &bogus;",
    "]]> <!-- --> <![CDATA[",
    "<",
    "<b>",
    ">",
    "x\x00\x07\x1b[31m",
    "\u202etxet tfel ot thgir\u202c",
    "\ud800 lone surrogate",
    "\ufffe\uffff",
    "\u0645\u0631\u062d\u0628\u0627 \u4f60\u597d \U0001f468\u200d\U0001f469",
    "a.b..c...",
    ".",
    "%s {0} ${x}",
    "graph",
    "n" * 10_000,
    "\\" * 10_000,
    "<" * 10_000,
    "deep." * 2_000,
]


def poisoned(name: str) -> ParameterGraph:
    """A graph in which every string is `name`."""
    graph = mlp((2, 3, 1))
    slots = {s.name: f"{name}{k}" for k, s in enumerate(graph.slots)}
    return replace(
        graph,
        name=name,
        groups=tuple(replace(g, name=name, op=name, source=name) for g in graph.groups),
        slots=tuple(replace(s, name=slots[s.name], aliases=(name,)) for s in graph.slots),
        bundles=tuple(
            replace(b, slot=slots[b.slot or ""], op=name, name=name) for b in graph.bundles
        ),
        values={slots[k]: v for k, v in graph.values.items()},
        histories=("", name),
    )


@pytest.mark.parametrize("view", ["architecture", "neuron", "hybrid"])
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_stay_text(name, view, only_pygraphviz, tmp_path):
    graph = poisoned(name)
    picture = draw(graph, tmp_path / "x.svg", view=view)
    assert (tmp_path / "x.svg").read_text(encoding="utf-8") == picture
    assert_stands_alone(picture)
    assert parse(picture).tag.endswith("svg")
    draw(graph, tmp_path / "x.png", view=view)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_do_not_change_the_drawing(name, only_pygraphviz):
    wanted = parse(draw(mlp((2, 3, 1)), view="neuron"))
    got = parse(draw(poisoned(name), view="neuron"))
    assert sum(e.tag.endswith("circle") for e in got.iter()) == sum(
        e.tag.endswith("circle") for e in wanted.iter()
    )


@pytest.mark.parametrize("view", ["architecture", "neuron"])
def test_markup_is_shown_as_it_is_written(view):
    root = parse(draw(poisoned("<b>&amp;"), view=view))
    assert any("<b>&amp;" in t for t in texts(root))
    assert any("<b>&amp;" in t for t in tips(root))


@pytest.mark.parametrize("view", ["architecture", "neuron"])
def test_long_names_are_short_on_the_picture_and_whole_in_the_tooltip(view):
    name = "n" * 10_000
    root = parse(draw(poisoned(name), view=view))
    assert max(map(len, texts(root))) < 150
    assert any(name in t for t in tips(root))


def test_dot_of_hostile_names_has_no_raw_breaks():
    dot = to_dot(poisoned('a"\nb'), view="architecture")
    assert 'a"' not in dot.replace("&quot;", "")


def test_clean():
    assert clean("a\nb\x00c") == "a b\ufffdc"
    assert clean("caf\u00e9 \u4f60") == "caf\u00e9 \u4f60"


@pytest.mark.parametrize("limit", [6, 16, 40])
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_shortening_keeps_to_the_limit(name, limit):
    assert len(shorten(name, limit)) <= limit
    assert len(tail(name, limit)) <= limit


def test_tail_begins_at_a_module():
    assert tail("transformer.h.0.attn.c_attn", 16) == "…0.attn.c_attn"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (12_345, "12.3 k"),
        (999_499, "999 k"),
        (999_600, "1 M"),
        (124_439_808, "124 M"),
        (70_000_000_000, "70 G"),
        (2 * 10**12, "2 T"),
    ],
)
def test_counts_for_people(number, said):
    assert count(number) == said
