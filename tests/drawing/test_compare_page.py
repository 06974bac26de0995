"""The data of the page of a comparison; the page itself is tested in a browser (tests/browser)."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from gmn_fx.drawing import draw
from gmn_fx.drawing.compare import compare, deltas, draw_comparison
from gmn_fx.drawing.compare.page import comparison_data, comparison_html
from gmn_fx.drawing.compare.scale import ALL
from gmn_fx.drawing.explorer import embedded, explorer_html
from gmn_fx.drawing.explorer.page import SCRIPTS
from gmn_fx.drawing.text import TIMES
from tests.drawing.graphs import mlp
from tests.drawing.pairs import gpt, renamed, valued, with_values
from tests.drawing.test_explorer import column, unpack
from tests.drawing.test_hostile import HOSTILE, poisoned


def data_of(a, b, max_edges=10**6):
    return comparison_data(compare(a, b), max_edges)


def edges_of(data):
    """Slot, bundle's state, a, b, number of every edge in the file."""
    counts = data["edges"]["count"]
    bundles = np.repeat(np.arange(len(counts)), counts)
    before, after = (unpack(data["changes"][side]) for side in ("before", "after"))
    return [
        (
            data["slots"][data["bundles"][k]["slot"]]["name"],
            data["changes"]["bundles"][k]["state"],
            *numbers,
        )
        for k, *numbers in zip(
            bundles, before.tolist(), after.tolist(), column(data, "value").tolist(), strict=True
        )
    ]


def looks_of(data, part):
    return [ALL[entry.get("look", 0)].key for entry in data["changes"][part]]


def test_edges_carry_both_values_and_their_difference():
    a = valued(mlp((2, 3, 1)))
    b = with_values(a, fc1__weight=a.values["fc1.weight"] + 0.25)
    data = data_of(a, b)
    found = edges_of(data)
    assert len(found) == 13
    for slot, state, before, after, delta in found:
        changed = slot == "fc1.weight"
        assert state == ("changed" if changed else "same")
        assert delta == (pytest.approx(0.25) if changed else 0)
        assert after - before == pytest.approx(delta, abs=1e-6)
    assert [e[2] for e in found[:6]] == pytest.approx(a.values["fc1.weight"].flatten().tolist())
    assert data["valued"]
    assert looks_of(data, "slots") == ["step-4", "same", "same", "same"]
    assert [data["slots"][k]["name"] for k in data["changes"]["rows"]] == ["fc1.weight"]
    assert re.match(r"Δ \d+ %", data["changes"]["groups"][1]["said"])
    assert data["notes"] == []


def _slots(data):
    return data["changes"]["slots"]


def test_what_one_graph_has_alone_carries_its_own_values():
    a, b = valued(mlp((2, 4, 4, 1))), valued(mlp((2, 4, 6, 6, 1)))
    for one, two, mine, shown in ((a, b, "added", 3), (b, a, "removed", 2)):
        found = edges_of(data_of(one, two))
        alone = [e for e in found if e[1] == mine]
        assert {e[0] for e in alone} == {"fc4.weight", "fc4.bias"}
        values = b.values["fc4.weight"].flatten().tolist()
        assert [e[4] for e in alone if e[0] == "fc4.weight"] == pytest.approx(values)
        assert all(math.isnan(e[5 - shown]) and e[shown] == e[4] for e in alone)
        # Of another size: as in the second graph.
        other = [e for e in found if e[1] == "resized"]
        assert {e[0] for e in other} == {"fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"}
        assert [e[4] for e in other if e[0] == "fc2.weight"] == pytest.approx(
            two.values["fc2.weight"].flatten().tolist()
        )


def test_shapes_and_states_in_words():
    data = data_of(valued(mlp((2, 4, 4, 1))), valued(mlp((2, 4, 6, 6, 1))))
    names = [s["name"] for s in data["slots"]]
    said = dict(zip(names, (s.get("said") for s in _slots(data)), strict=True))
    assert said["fc1.weight"] is None
    assert said["fc2.weight"] == f"4{TIMES}4 → 6{TIMES}4"
    assert said["fc4.weight"] == "only in b"
    assert f"4{TIMES}4 in a, 6{TIMES}4 in b" in data["changes"]["bundles"][2]["about"]
    assert {g.get("said") for g in data["changes"]["groups"]} == {
        None,
        "only in b",
        "4 → 6",
        "1 → 6",
    }
    row = _slots(data)[names.index("fc2.weight")]
    assert row["about"] == f"4{TIMES}4 → 6{TIMES}4"


def test_of_many_edges_those_that_differ_most():
    a = valued(mlp((20, 30, 5)))
    delta = torch.zeros(30, 20)
    delta[3, 4], delta[7, 0] = 0.5, -0.25
    b = with_values(a, fc1__weight=a.values["fc1.weight"] + delta)
    data = data_of(a, b, 100)
    # The biases fit. Of the weights, one has two elements that differ, one has none.
    assert data["edges"]["count"] == [2, 30, 0, 5]
    assert [e[4] for e in edges_of(data)[:2]] == pytest.approx([0.5, -0.25])
    assert data["notes"] == [
        "37 of 785 edges are in this file: those that differ most of each bundle",
        "a bundle that does not differ and is too large for this file is one arrow",
    ]
    moved = with_values(a, fc1__weight=a.values["fc1.weight"] + torch.randn(30, 20))
    found = edges_of(data_of(a, moved, 100))
    wanted = (moved.values["fc1.weight"] - a.values["fc1.weight"]).flatten().tolist()
    strongest = sorted(wanted, key=abs)[-65:]
    assert sorted((e[4] for e in found if e[0] == "fc1.weight"), key=abs) == pytest.approx(
        strongest, abs=1e-6
    )


def turned(tensor):
    """The same elements in another order in memory."""
    return tensor.T.contiguous().T if tensor.dim() == 2 else tensor


@pytest.mark.parametrize("gaps", [False, True])
def test_values_are_read_in_pieces(gaps, monkeypatch):
    monkeypatch.setattr(embedded, "BLOCK", 1000)
    asked = []

    def counted(tensor, where):
        found = read(tensor, where)
        asked.append(found.numel())
        return found

    read = deltas.read
    monkeypatch.setattr(deltas, "read", counted)
    a = valued(mlp((100, 200, 5)))
    b = a.bind({k: v + torch.randn(v.shape) for k, v in a.values.items()})
    if gaps:
        b = replace(b, values={k: turned(v) for k, v in b.values.items()})
    data = data_of(a, b, 500)
    assert data["embedded"] == 500
    assert max(asked) == 1000
    assert sum(asked) >= 2 * 20_000


MEMORY = """
import resource, torch
from gmn_fx.drawing.text import TIMES
from tests.drawing.graphs import mlp
from tests.drawing.pairs import valued
from gmn_fx.drawing.compare import compare
from gmn_fx.drawing.compare.page import comparison_html
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
small = valued(mlp((50, 50, 50)))
comparison_html(compare(small, small.bind({k: v * 1.5 for k, v in small.values.items()})))
a = valued(mlp((2000,) * 9))
b = a.bind({k: v * 1.5 for k, v in a.values.items()})
before = peak()
page = comparison_html(compare(a, b), max_edges=2000)
print(peak() - before, len(page))
"""


def test_a_large_pair_takes_no_second_copy():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )
    more, size = map(float, done.stdout.split())
    # Of 128 MB in each graph.
    assert more < 60
    assert size < 400_000


# ---- odd values


def test_nan_inf_and_extremes():
    nan, inf = math.nan, math.inf
    a = valued(mlp((1, 5, 1)))
    one = torch.tensor([1.0, nan, inf, -inf, 2.0])
    two = torch.tensor([nan, nan, inf, 3.0, inf])
    data = data_of(with_values(a, fc1__bias=one), with_values(a, fc1__bias=two))
    found = [e[4] for e in edges_of(data) if e[0] == "fc1.bias"]
    assert math.isnan(found[0])
    assert found[1:] == [0, 0, inf, inf]
    assert ALL[_slots(data)[1]["look"]].key == "not-finite"
    assert _slots(data)[1]["said"] == "Δ nan or inf"
    wide = torch.tensor([1e300, -1e300, 1e-300, 0.0, 1.0], dtype=torch.float64)
    data = data_of(with_values(a, fc1__bias=wide), with_values(a, fc1__bias=-wide))
    found = [e[4] for e in edges_of(data) if e[0] == "fc1.bias"]
    assert all(map(math.isfinite, found))
    assert [np.sign(d) for d in found] == [-1, 1, -1, 0, -1]


def test_complex_values_have_the_size_of_their_difference():
    a = valued(mlp((1, 3, 1)))
    one = torch.tensor([1 + 1j, 2 + 0j, 3j])
    two = torch.tensor([1 + 3j, 1 + 0j, 3j])
    data = data_of(with_values(a, fc1__bias=one), with_values(a, fc1__bias=two))
    assert [e[4] for e in edges_of(data) if e[0] == "fc1.bias"] == [2, -1, 0]
    assert "real parts" in data["notes"][0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int64])
def test_another_dtype(dtype):
    a = valued(mlp((2, 3, 1)))
    whole = {k: v.round() for k, v in a.values.items()}
    a = a.bind(whole)
    data = data_of(a, a.bind({k: v.to(dtype) for k, v in whole.items()}))
    assert {e[4] for e in edges_of(data)} == {0}
    assert set(looks_of(data, "slots")) == {"no-number"}
    assert _slots(data)[0]["said"] == f"float32 → {str(dtype).removeprefix('torch.')}"


def test_structure_only():
    a, b = mlp((2, 3, 1), values=False), mlp((2, 3, 3, 1), values=False)
    data = data_of(a, b)
    assert not data["valued"]
    assert np.isnan(column(data, "value")).all()
    assert data["changes"]["looks"][0]["legend"] == "same structure"
    half = data_of(a, valued(a))
    assert not half["valued"]
    assert "holds no values" in half["notes"][0]
    # What only one graph has keeps its values, whatever the other lacks.
    assert data_of(a, valued(b))["valued"]


def test_equal_graphs():
    graph = valued(gpt())
    data = data_of(graph, graph)
    assert data["changes"]["summary"].startswith("no difference")
    assert data["changes"]["rows"] == []
    assert {*looks_of(data, "groups"), *looks_of(data, "bundles")} == {"same"}


def test_nothing_in_common():
    data = data_of(valued(mlp((2, 3, 1))), gpt())
    assert "no parameter in common" in data["notes"][0]
    assert set(looks_of(data, "slots")) == {"added", "removed"}


def test_other_names_are_there_to_be_found():
    a = valued(mlp((2, 3, 1)))
    data = data_of(a, renamed(a, "model."))
    assert [s["other"] for s in _slots(data)] == [f"model.{s.name}" for s in a.slots]
    assert {g.get("other") for g in data["changes"]["groups"]} == {None, "model.fc1", "model.fc2"}
    assert {s["said"] for s in _slots(data)} == {"other name"}
    assert len(data["changes"]["rows"]) == 4


# ---- the page


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_can_neither_end_nor_begin_an_element(name):
    a, b = poisoned(name), poisoned("other" + name)
    b = replace(b, values={k: v + 1 for k, v in b.values.items()})
    found = compare(a, b)
    page = comparison_html(found)
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    data = re.search(r'id="graph">(.*?)</script>', page, re.DOTALL)[1]
    assert not set("<>&") & set(data)
    assert len(json.loads(data)["changes"]["groups"]) == len(found.groups)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_pages_of_one_graph_go_without_the_script_of_changes():
    assert "changes.js" not in SCRIPTS
    graph = valued(mlp())
    assert "readChanges(g) {" not in explorer_html(graph)
    assert "readChanges(g) {" in comparison_html(compare(graph, graph))


@pytest.mark.parametrize(
    ("view", "start"), [("auto", "auto"), ("neuron", "open"), ("architecture", "closed")]
)
def test_the_view_chooses_how_the_page_opens(view, start, tmp_path):
    a, b = valued(mlp((2, 3, 1))), valued(mlp((2, 3, 3, 1)))
    text = draw(a, tmp_path / "x.html", other=b, view=view)
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == text
    assert f'"start":"{start}"' in text
    assert draw_comparison(compare(a, b), tmp_path / "y.html", view=view) == text


def test_a_depth_asks_for_the_architecture(only_pygraphviz):
    a = valued(mlp((2, 3, 1)))
    b = with_values(a, fc1__bias=a.values["fc1.bias"] + 1)
    assert draw(a, other=b, depth=1) == draw(a, other=b, view="architecture", depth=1)
    assert draw(a, other=b, depth=1) != draw(a, other=b)
