"""The explorer in a real browser. `explore` asserts: no complaint on the console, no request."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from gmn_fx.symmetry import node_orbits
from tests.drawing.graphs import chain, mlp, residual_net, transformer
from tests.drawing.test_hostile import HOSTILE, poisoned

pytestmark = pytest.mark.browser


def lit_of(graph, node: int) -> set[int]:
    """Edges (places in the order of the bundles) that touch a node."""
    ends = [(b.src.expand(b.shape).array(), b.dst.expand(b.shape).array()) for b in graph.bundles]
    src, dst = (np.concatenate([e[k].reshape(-1) for e in ends]) for k in (0, 1))
    return set(np.flatnonzero((src == node) | (dst == node)).tolist())


def test_a_small_graph_opens_with_all_its_neurons(explore):
    page = explore(mlp())
    state = page.state
    assert [i["type"] for i in state["items"]] == ["open"] * 7
    assert state["shown"] == state["embedded"] == 105
    assert page.page.text_content("#title") == "mlp"
    assert "22 nodes · 105 edges" in page.page.text_content("#facts")
    assert "bias node" in page.page.text_content("#legend")


def test_hovering_a_neuron_lights_its_edges_and_its_orbit(explore):
    graph = mlp()
    orbits = node_orbits(graph)
    page = explore(graph, orbits=orbits)
    node = graph.groups[1].start + 3
    state = page.hover(node)
    assert state["found"] == "node"
    assert set(state["edges"]) == lit_of(graph, node)
    assert set(state["orbit"]) == set(np.flatnonzero(orbits == orbits[node]).tolist())
    assert len(state["orbit"]) == 8
    weight = float(graph.values["fc1.weight"][3, 0])
    assert "neuron 3 of fc1" in state["tip"]
    assert "orbit of 8" in state["tip"]
    assert f"fc1.weight[3, 0] = {weight:.4g}" in state["tip"]
    page.page.mouse.move(700, 20)
    assert page.settle()["edges"] == []


def test_hovering_an_edge_names_its_parameter(explore):
    graph = mlp((2, 3, 1))
    page = explore(graph)
    state = page.hover_between(graph.groups[0].start, graph.groups[1].start)
    assert state["found"] == "edge"
    assert f"fc1.weight[0, 0] = {float(graph.values['fc1.weight'][0, 0]):.4g}" in state["tip"]
    assert "input 0 → fc1 0" in state["tip"]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("net.0", "net.1", "head"), ["linear 0", "linear 1", "head"]),
        # Around `cell` no frame can be drawn that leaves `head` out.
        (("cell", "head", "cell"), ["cell linear", "head", "cell add"]),
    ],
)
def test_layers_are_told_apart(explore, names, labels):
    graph = mlp()
    new = dict(zip(("fc1", "fc2", "fc3"), names, strict=True))
    ops = {"fc3": "add"}
    groups = tuple(
        replace(g, name=new.get(g.name, g.name), op=ops.get(g.name, g.op)) for g in graph.groups
    )
    page = explore(replace(graph, groups=groups))
    assert (
        list(dict.fromkeys(i["label"] for i in page.state["items"] if i["label"] in labels))
        == labels
    )


def test_search_finds_parameters_and_modules(explore):
    page = explore(transformer(3, 8, 20, 12))
    found = page.search("h.1.mlp")
    assert found[0] == "transformer.h.1.mlp  (module)"
    assert any("transformer.h.1.mlp.c_fc.weight  (parameter)" in f for f in found)
    page.search("transformer.h.1.mlp.c_fc.weight")
    page.page.keyboard.press("Enter")
    state = page.settle()
    assert state["found"] == "edges"
    assert len(state["edges"]) == 8 * 32
    assert "transformer.h.1.mlp.c_fc" in page.titles()
    assert page.search("no such thing") == ["nothing found"]
    assert page.search("") == []


def test_without_single_edges_a_parameter_is_an_arrow(explore):
    page = explore(transformer())
    page.search("h.1.mlp.c_fc.weight")
    page.page.keyboard.press("Enter")
    state = page.settle()
    assert state["found"] == "arrow"
    assert "transformer.h.1.mlp.c_fc.weight  3072\u00d7768" in state["tip"]
    assert {i["type"] for i in state["items"] if "h.1.mlp" in i["title"]} == {"group"}


def test_arrow_keys_walk_through_the_results(explore):
    page = explore(mlp())
    found = page.search("fc2")
    assert len(found) > 2
    focused = "document.activeElement.textContent"
    camera = page.state["camera"]
    for key, wanted in (("ArrowDown", 0), ("ArrowDown", 1), ("ArrowUp", 0)):
        page.page.keyboard.press(key)
        assert page.page.evaluate(focused) == found[wanted]
    assert page.settle()["camera"] == camera
    page.page.keyboard.press("ArrowUp")
    assert page.page.evaluate("document.activeElement.id") == "search"


def test_search_finds_a_single_parameter(explore):
    graph = mlp()
    page = explore(graph)
    assert page.search("fc2.weight[3, 5]") == ["fc2.weight  (parameter)"]
    page.page.click("#results button")
    state = page.settle()
    assert len(state["edges"]) == 1
    assert state["tip"] == f"fc2.weight[3, 5] = {float(graph.values['fc2.weight'][3, 5]):.4g}"


def test_the_slider_hides_weak_edges(explore):
    graph = mlp()
    page = explore(graph)
    state = page.slide(500)
    sizes = torch.cat([v.abs().reshape(-1) for v in graph.values.values()])
    assert state["shown"] == int((sizes >= state["least"] - 1e-7).sum())
    assert 50 <= state["shown"] <= 54
    assert page.page.text_content("#count") == f"showing {state['shown']} of 105 edges"
    node = graph.groups[1].start
    assert 0 < len(page.hover(node)["edges"]) < len(lit_of(graph, node))


def test_groups_and_modules_open_and_close(explore):
    page = explore(residual_net())
    box = next(i for i in page.state["items"] if i["title"] == "block.conv1")
    camera = page.state["camera"]
    side = page.page.evaluate("document.getElementById('stage').getBoundingClientRect().left")
    x = side + (box["x"] + box["w"] / 2) * camera["k"] + camera["x"]
    y = (box["y"] + 4) * camera["k"] + camera["y"]
    page.page.mouse.dblclick(x, y)
    closed = {i["title"]: i["type"] for i in page.settle()["items"]}
    assert closed["block.conv1"] == "group"
    assert closed["block.conv2"] == "open"
    page.page.click("#tree button:has-text('block')")
    assert "block" in page.titles()
    assert not {"block.conv1", "block.conv2"} & set(page.titles())
    page.page.click("#expand")
    assert all(i["type"] == "open" for i in page.settle()["items"])
    page.page.click("#collapse")
    state = page.settle()
    assert state["shown"] == 0
    assert {i["type"] for i in state["items"]} == {"group", "module"}
    assert all(i["title"] != "block.conv1" for i in state["items"])


def overlaps(a, b) -> bool:
    return (
        a["x"] < b["x"] + b["w"]
        and b["x"] < a["x"] + a["w"]
        and a["y"] < b["y"] + b["h"]
        and b["y"] < a["y"] + a["h"]
    )


@pytest.mark.parametrize("size", [(1280, 800), (420, 800)])
def test_a_long_network_is_broken_into_rows_that_can_be_read(explore, size):
    page = explore(
        transformer(), context={"viewport": dict(zip(("width", "height"), size, strict=True))}
    )
    state = page.state
    items = state["items"]
    assert len({i["row"] for i in items}) > 2
    assert state["camera"]["k"] > 0.5
    assert not any(overlaps(a, b) for k, a in enumerate(items) for b in items[:k])
    # Flow keeps its direction: a later column is further right, or in a later row.
    places = sorted((i["column"], i["row"], i["x"]) for i in items)
    for (c, row, x), (d, next_row, next_x) in pairwise(places):
        assert c == d or next_row > row or (next_row == row and next_x > x)


def test_lines_between_neurons_are_not_broken_into_rows(explore):
    page = explore(chain(40), start="open")
    assert {i["row"] for i in page.state["items"]} == {0}


def test_a_bias_is_part_of_its_closed_layer(explore):
    page = explore(mlp(), start="closed")
    assert [i["title"] for i in page.state["items"]] == ["input", "fc1", "fc2", "fc3"]
    box = page.state["items"][1]
    camera = page.state["camera"]
    left = page.page.evaluate("document.getElementById('stage').getBoundingClientRect().left")
    x = left + (box["x"] + 20) * camera["k"] + camera["x"]
    page.page.mouse.move(x, (box["y"] + 10) * camera["k"] + camera["y"])
    tip = page.settle()["tip"]
    assert "8 parameters inside" in tip
    assert "fc1.bias  8" in tip


def test_opening_a_module_keeps_all_in_sight(explore):
    page = explore(transformer())
    before = page.state
    page.page.click("#tree button[title='transformer.h.0']")
    after = page.settle()
    assert len(after["items"]) > len(before["items"])
    k, stage = (
        after["camera"]["k"],
        page.page.evaluate("document.getElementById('stage').clientWidth"),
    )
    assert all(0 < i["x"] * k + after["camera"]["x"] < stage for i in after["items"])


def test_paper_is_light(explore):
    pictures = {}
    marks = "document.getElementById('marks').toDataURL()"
    for scheme in ("light", "dark"):
        page = explore(mlp(), context={"color_scheme": scheme}).page
        before = page.evaluate(marks)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        pictures[scheme] = before, page.evaluate(marks)
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(marks) == before
    (light, printed), (dark, printed_from_dark) = pictures["light"], pictures["dark"]
    assert dark != printed_from_dark == printed == light


def test_paper_has_title_facts_and_legend_but_no_controls(explore):
    page = explore(mlp()).page
    page.emulate_media(media="print")
    assert all(page.is_visible(f"#{name}") for name in ("title", "facts", "legend", "marks"))
    # What lies over the picture would be printed as white.
    for name in ("search", "slider", "tree", "buttons", "zoom", "over"):
        assert not page.is_visible(f"#{name}")


def test_a_frame_closes_its_module(explore):
    page = explore(residual_net())
    assert page.state["frames"] == ["block"]
    page.page.focus("#stage")
    page.page.click("#tree button[title='block']")
    assert page.settle()["frames"] == []


def test_gpt2_opens_folded_and_says_what_is_missing(explore):
    page = explore(transformer())
    state = page.state
    assert len(state["items"]) <= 40
    assert state["embedded"] <= 200_000
    notes = page.page.text_content("#notes")
    assert f"{state['embedded']:,} of 163,149,312 edges are in this file" in notes
    assert "(which neurons may be exchanged) were not computed" in notes
    assert "a bundle that is too large for this file is one arrow" in notes
    page.page.click("#tree button[title='transformer.h.0']")
    assert {"transformer.h.0.attn", "transformer.h.0.mlp"} <= set(page.titles())


def test_wide_groups_have_an_ellipsis(explore):
    page = explore(mlp((3000, 3)), start="open")
    first = next(i for i in page.state["items"] if i["title"] == "input")
    assert first["h"] == pytest.approx(22 + 258 * 9)
    assert page.hover(127)["found"] == "node"
    assert "in 2999" not in page.hover(127)["tip"]
    assert "input 2999 of input" in page.hover(2999)["tip"]
    # Between them nothing is drawn.
    x, top = page.page.evaluate("gmnExplorer.nodeAt(127)")
    bottom = page.page.evaluate("gmnExplorer.nodeAt(2872)")[1]
    page.page.mouse.move(x, (top + bottom) / 2)
    assert page.settle()["found"] == "item"
    assert "the first and last 128" in page.page.text_content("#notes")


def test_groups_of_two_thousand_show_all(explore):
    page = explore(mlp((2000, 1)), start="open")
    assert "input 1000 of input" in page.hover(1000)["tip"]


def test_pan_zoom_and_keys(explore):
    page = explore(mlp())
    start = page.state["camera"]
    page.page.mouse.move(700, 300)
    page.page.mouse.wheel(0, -300)
    nearer = page.settle()["camera"]
    assert nearer["k"] > 1.3 * start["k"]
    page.page.mouse.move(700, 700)
    page.page.mouse.down()
    page.page.mouse.move(800, 650, steps=4)
    page.page.mouse.up()
    moved = page.settle()["camera"]
    assert moved["x"] == pytest.approx(nearer["x"] + 100)
    assert moved["y"] == pytest.approx(nearer["y"] - 50)
    page.page.keyboard.press("ArrowLeft")
    assert page.settle()["camera"]["x"] == pytest.approx(moved["x"] + 60)
    page.page.keyboard.press("0")
    assert page.settle()["camera"]["k"] == pytest.approx(start["k"])
    page.page.keyboard.press("/")
    assert page.page.evaluate("document.activeElement.id") == "search"


def test_a_hundred_thousand_edges(explore):
    graph = mlp((222, 222, 222, 10))
    page = explore(graph, start="open")
    assert page.state["shown"] == graph.num_edges
    before = page.state["camera"]
    page.page.mouse.move(700, 400)
    page.page.mouse.wheel(0, 400)
    assert page.settle()["camera"]["k"] < before["k"]
    state = page.hover(222 + 100)
    assert len(state["edges"]) == 222 + 1 + 222


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_text(explore, name):
    page = explore(poisoned(name), start="closed")
    page.page.evaluate("() => { window.alert = () => { window.hacked = true; }; }")
    page.page.click("#expand")
    page.search(name[:50])
    page.hover(3)
    assert page.page.evaluate("window.hacked === undefined")
    allowed = page.page.evaluate("document.querySelectorAll('script').length")
    assert allowed == 2
    assert page.page.evaluate("document.querySelectorAll('img, image, iframe, b, a').length") == 0
    assert len(page.state["items"]) == 5


def test_foreign_scripts_do_not_run(explore):
    page = explore(mlp())
    page.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        " document.body.append(s); }"
    )
    assert page.page.evaluate("window.ran === undefined")
    assert any("Content Security Policy" in c for c in page.complaints)
    page.complaints.clear()


def test_dark_screens(explore):
    dark = explore(mlp(), context={"color_scheme": "dark"})
    assert (
        dark.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 29)"
    )


def test_narrow_screens_hide_the_panel(explore):
    page = explore(mlp(), context={"viewport": {"width": 320, "height": 600}})
    assert not page.page.is_visible("#search")
    page.page.click("#menu")
    assert page.page.is_visible("#search")
    wide = page.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 320


def test_nan_values_and_no_values(explore):
    graph = mlp((2, 3, 1))
    weight = torch.full((3, 2), torch.nan)
    page = explore(replace(graph, values=graph.values | {"fc1.weight": weight}))
    assert "nan or inf" in page.page.text_content("#legend")
    assert "NaN" in page.hover(graph.groups[1].start)["tip"]
    empty = explore(mlp((2, 3, 1), values=False))
    assert not empty.page.is_visible("#threshold")
    assert empty.state["shown"] == 13


def test_deep_chains_open_quickly(explore):
    assert len(explore(chain(400)).state["items"]) <= 400
