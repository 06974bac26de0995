from __future__ import annotations

import re
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmn_fx.drawing import draw, to_dot
from gmn_fx.drawing.architecture import architecture_dot
from gmn_fx.drawing.legend import Entry
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.overlay import Change, Overlay
from gmn_fx.drawing.repeats import Folding, fold_repeats, patterns
from gmn_fx.errors import DrawError
from gmn_fx.graph.model import ParameterGraph
from tests.drawing.graphs import Maker, chain, experts, transformer
from tests.drawing.pictures import assert_stands_alone, of_class, parse, texts, tips


def fold(graph: ParameterGraph, overlay: Overlay | None = None) -> Folding:
    return fold_repeats(graph, links_of(graph), overlay)


def sizes(folding: Folding) -> list[tuple[str, int]]:
    return [(".".join(r.first), len(r.members)) for r in folding.runs]


def arrows(dot: str) -> list[tuple[str, str]]:
    return re.findall(r"^\s*(b\d+) -> (b\d+) (?!\[style=invis)", dot, re.M)


@given(st.lists(st.integers(0, 2), max_size=14))
def test_patterns_repeat_and_do_not_overlap(marks):
    end = 0
    for start, period, count in patterns(marks):
        assert start >= end
        assert count > 1
        block = marks[start : start + period]
        assert marks[start : start + period * count] == block * count
        end = start + period * count
    # Nothing that repeats at once is overlooked.
    seen = {k for s, p, c in patterns(marks) for k in range(s, s + p * c)}
    assert all(a != b or {k, k + 1} & seen for k, (a, b) in enumerate(pairwise(marks)))


def test_blocks_of_a_transformer_are_one_frame():
    graph = transformer()
    folding = fold(graph)
    assert sizes(folding) == [("transformer.h.0", 12)]
    first = set(folding.runs[0].members[0])
    outside = [i for i, g in enumerate(graph.groups) if ".h." not in f"{g.name}."]
    assert set(folding.shown.values()) == first | set(outside)
    assert folding.shown.keys() == set(range(len(graph.groups)))
    dot = to_dot(graph, view="architecture")
    assert "h.0 \u2026 h.11  \u00d7 12" in dot
    assert all(a != b for a, b in arrows(dot))


def test_arrows_from_the_last_block_start_at_the_drawn_one():
    graph = transformer(12, 8, 10)
    folding = fold(graph)
    names = {i: g.name for i, g in enumerate(graph.groups)}
    ends = {(names[e.src], names[e.dst]) for e in folding.links}
    assert ("transformer.h.0", "transformer.ln_f") in ends
    assert all("h.1" not in a + b for a, b in ends)
    # Nothing but what enters and leaves crosses the frame.
    block = set(folding.runs[0].members[0])
    assert sum(e.src not in block and e.dst in block for e in folding.links) == 3


def test_one_block_repeated_and_two_blocks_differ_in_repeats_only():
    two, twelve = (to_dot(transformer(n, 8, 10), view="architecture") for n in (2, 12))
    assert len(arrows(two)) == len(arrows(twelve))


def test_counts_stay_those_of_the_whole_graph():
    graph = transformer(12, 8, 10)
    said = f"{len(graph.groups)} groups"
    assert said in to_dot(graph, view="architecture")
    assert "drawn once" in to_dot(graph, view="architecture")
    assert "drawn once" not in to_dot(graph, view="architecture", fold_repeats=False)


@pytest.mark.parametrize(("length", "runs"), [(4, []), (5, [("layers.0", 4)])])
def test_chains_of_single_layers_fold_from_four(length, runs):
    assert sizes(fold(chain(length))) == runs


def wide(widths: list[int]) -> ParameterGraph:
    """A residual block of two layers a width."""
    make = Maker()
    last = make.pin(make.group("input", "input", widths[0], depth=0), 0)
    for k, width in enumerate(widths):
        up = make.group("neuron", "linear", width, f"blocks.{k}.up", k)
        out = make.group("neuron", "linear", 4, f"blocks.{k}.out", k)
        make.dense(last, up, f"blocks.{k}.up.weight")
        make.dense(up, out, f"blocks.{k}.out.weight")
        last = out
    return make.graph("wide")


def test_blocks_that_differ_in_a_size_are_not_folded():
    assert sizes(fold(wide([4, 4, 4]))) == [("blocks.0", 3)]
    assert sizes(fold(wide([4, 4, 8, 8, 16]))) == [("blocks.0", 2), ("blocks.2", 2)]
    assert sizes(fold(wide([4, 5, 6]))) == []


def test_a_link_of_one_block_alone_ends_the_run():
    make_graph = wide([4] * 6)
    groups = {g.name: g for g in make_graph.groups}
    make = Maker(list(make_graph.groups), list(make_graph.slots), list(make_graph.bundles))
    make.line(groups["blocks.0.out"], groups["blocks.3.out"], "residual", "residual")
    graph = make.graph("skip", values=False)
    assert sizes(fold(graph)) == [("blocks.1", 2), ("blocks.4", 2)]


def test_an_operand_that_differs_is_not_alike():
    graph = wide([4] * 4)
    bundles = [replace(b, operand=int(b.name == "blocks.2.out")) for b in graph.bundles]
    assert sizes(fold(replace(graph, bundles=tuple(bundles)))) == [("blocks.0", 2)]


def test_experts_fold_inside_layers_that_fold():
    folding = fold(experts(3, 4))
    assert ("layers.0", 3) in sizes(folding)
    assert ("layers.0.experts.0", 4) in sizes(folding)
    dot = to_dot(experts(3, 4), view="architecture")
    assert "layers.0 \u2026 layers.2  \u00d7 3" in dot
    assert "experts.0 \u2026 experts.3  \u00d7 4" in dot


def test_patterns_of_several_modules_repeat():
    make = Maker()
    last = make.pin(make.group("input", "input", 4, depth=0), 0)
    for k in range(5):
        layer = make.group("neuron", "linear", 4, f"net.{2 * k}", k)
        norm = make.group("neuron", "norm", 4, f"net.{2 * k + 1}", k)
        make.dense(last, layer, f"net.{2 * k}.weight")
        make.line(layer, norm, "gain", "norm", f"net.{2 * k + 1}.weight")
        last = norm
    folding = fold(make.graph("net"))
    assert sizes(folding) == [("net.0", 5)]
    assert folding.runs[0].items == 2


def test_a_run_with_a_way_back_is_not_folded():
    graph = wide([4] * 4)
    make = Maker(list(graph.groups), list(graph.slots), list(graph.bundles), graph.num_nodes)
    by_name = {g.name: g for g in graph.groups}
    for k in range(3):
        # Each block leads through a group outside into the next one.
        hop = make.group("neuron", "relu", 4, "blocks.hop")
        make.line(by_name[f"blocks.{k}.out"], hop, "flow", "relu")
        make.line(hop, by_name[f"blocks.{k + 1}.out"], "flow", "add")
    assert sizes(fold(make.graph("hops", values=False))) == []


def test_tooltips_say_what_repeats():
    said = "\n".join(tips(parse(draw(transformer(12, 8, 10), view="architecture"))))
    assert "12 blocks that are alike: transformer.h.0 \u2026 h.11" in said
    assert "transformer.h.0.attn.c_proj linear" in said


@pytest.mark.parametrize("make", [lambda: chain(2000), lambda: wide([4] * 1000)])
def test_long_networks_are_quick(make):
    graph = make()
    links = links_of(graph)
    begin = time.process_time()
    assert len(fold_repeats(graph, links).runs) == 1
    assert time.process_time() - begin < 2


def test_a_transformer_is_quick():
    graph = transformer()
    begin = time.process_time()
    to_dot(graph, view="architecture")
    assert time.process_time() - begin < 0.5


# ---- depth


def boxes(dot: str) -> list[str]:
    return [
        re.search(r"<<B>([^<]*)", line)[1]
        for line in dot.splitlines()
        if re.search(r"^\s*b\d+ \[", line) and "<<B>" in line
    ]


def test_top_level_modules_at_depth_one():
    graph = transformer(12, 8, 10)
    dot = to_dot(graph, view="architecture", depth=1)
    assert boxes(dot) == ["transformer", "lm_head"]
    inside = sum(s.numel for s in graph.slots if s.name.startswith("transformer"))
    assert f"{len(graph.groups) - 1} groups" in dot
    assert f"{inside / 1000:.3g} k parameters" in dot


def test_blocks_are_one_box_that_repeats():
    dot = to_dot(transformer(12, 8, 10), view="architecture", depth=3)
    assert "h.0 \u2026 h.11  \u00d7 12" in boxes(dot)
    assert "18 groups, 872 parameters" in dot
    plain = to_dot(transformer(12, 8, 10), view="architecture", depth=3, fold_repeats=False)
    assert [f"h.{k}" in boxes(plain) for k in range(12)] == [True] * 12


def test_inputs_stay_boxes():
    assert boxes(to_dot(chain(9), view="architecture", depth=1)) == ["input", "layers"]


def test_a_depth_asks_for_the_architecture():
    assert "digraph architecture" in to_dot(chain(3), depth=1)
    assert "digraph architecture" not in to_dot(chain(3))


def test_a_depth_below_all_modules_changes_nothing():
    graph = transformer(2, 8, 10)
    assert boxes(architecture_dot(graph, depth=9)) == boxes(architecture_dot(graph))


@pytest.mark.parametrize("depth", [0, -3])
def test_depths_that_show_nothing_are_refused(depth):
    with pytest.raises(DrawError, match=f"depth is {depth}") as caught:
        draw(chain(5), depth=depth)
    assert "depth=1" in caught.value.hint


# ---- overlays

ADDED = Change("#AA0000", "dotted", "added here", "only in the new graph")


def number(graph: ParameterGraph, name: str) -> int:
    return next(i for i, g in enumerate(graph.groups) if g.name == name)


def test_a_change_in_one_block_shows_that_block():
    graph = transformer(6, 8, 10)
    overlay = Overlay({number(graph, "transformer.h.2.mlp.c_fc"): ADDED})
    assert sizes(fold(graph, overlay)) == [("transformer.h.0", 2), ("transformer.h.3", 3)]


def test_equal_changes_in_all_blocks_fold():
    graph = transformer(6, 8, 10)
    changed = {number(graph, f"transformer.h.{k}.mlp.c_fc"): ADDED for k in range(6)}
    assert sizes(fold(graph, Overlay(changed))) == [("transformer.h.0", 6)]


def test_changes_of_boxes_and_arrows_are_drawn():
    graph = chain(3)
    overlay = Overlay(
        {1: ADDED},
        {1: Change("#00AA00", text="kept <b>", about="as before")},
        (Entry("new", "#FFFFFF", "#AA0000"), Entry("old", "#00AA00", "", "solid")),
        "against another graph",
    )
    dot = architecture_dot(graph, overlay=overlay)
    box = next(line for line in dot.splitlines() if re.search(r"^\s*b1 \[", line))
    assert 'color="#AA0000"' in box
    assert "dotted" in box
    assert "added here" in box
    assert "only in the new graph" in dot
    arrow = next(line for line in dot.splitlines() if "b1 -> b2" in line)
    assert 'color="#00AA00"' in arrow
    assert "kept &lt;b&gt;" in arrow
    assert "as before" in dot
    for said in ("new", "old", "against another graph"):
        assert said in dot


def test_changes_inside_a_folded_module_are_counted():
    graph = transformer(2, 8, 10)
    changed = {number(graph, f"transformer.h.0.mlp.{n}"): ADDED for n in ("c_fc", "c_proj")}
    changed[number(graph, "transformer.h.1.mlp.c_fc")] = replace(ADDED, color="#0000AA")
    dot = architecture_dot(graph, overlay=Overlay(changed), depth=1)
    assert "3 changes inside" in dot


# ---- style sheet


def test_pictures_have_dark_colours_for_all_that_is_drawn():
    root = parse(draw(transformer(2, 8, 10), view="architecture"))
    assert_stands_alone(draw(transformer(2, 8, 10), view="architecture"))
    style = next(e for e in root.iter() if e.tag.endswith("style"))
    assert "prefers-color-scheme:dark" in (style.text or "")
    kinds = {(e.get("class") or "").split()[1] for e in of_class(root, "node")}
    assert {"neuron", "bias", "statistic", "vocabulary", "product"} <= kinds
    assert {(e.get("class") or "").split()[1] for e in of_class(root, "edge")} <= {
        "parameter", "free", "residual",
    }  # fmt: skip
    assert len(of_class(root, "paper")) == 1
    assert {(e.get("class") or "").split()[1] for e in of_class(root, "swatch")} == kinds
    assert {(e.get("class") or "").split()[1] for e in of_class(root, "outline")} == kinds
    assert {e.get("class") for e in of_class(root, "glyph")} == {
        "glyph parameter", "glyph free", "glyph residual",
    }  # fmt: skip


def test_pictures_scale():
    root = parse(draw(chain(5), view="architecture"))
    wide_, high = map(float, (root.get("viewBox") or "").split()[2:])
    assert float(root.get("width")) == pytest.approx(wide_ * 4 / 3, abs=1)
    assert float(root.get("height")) == pytest.approx(high * 4 / 3, abs=1)
    assert "max-width:100%" in root.get("style")
    assert "4 neurons \u00b7 linear" in "\n".join(texts(root))
