"""The page of a comparison in a real browser. `explore` asserts: no complaint, no request."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from gmn_fx.drawing.compare.scale import ADDED, REMOVED, RESIZED, SAME, STEPS
from gmn_fx.drawing.palette import SIGNS
from gmn_fx.drawing.text import TIMES
from gmn_fx.graph.model import Slot
from tests.drawing.graphs import chain, mlp, transformer
from tests.drawing.pairs import gpt, renamed, valued, with_values
from tests.drawing.test_hostile import HOSTILE, poisoned

pytestmark = pytest.mark.browser

MINUS = "\u2212"
ATTENTION = "transformer.h.1.attn.c_attn.weight"
# How many pixels of each colour there are, of those that are about opaque.
PIXELS = """
(id) => {
  const shown = document.getElementById(id), canvas = document.createElement("canvas"), out = {};
  [canvas.width, canvas.height] = [shown.width, shown.height];
  const c = canvas.getContext("2d");
  c.drawImage(shown, 0, 0);
  const { data } = c.getImageData(0, 0, canvas.width, canvas.height);
  for (let k = 0; k < data.length; k += 4) {
    if (data[k + 3] < 240) continue;
    const hex = "#" + [0, 1, 2].map((n) => data[k + n].toString(16).padStart(2, "0")).join("");
    out[hex] = (out[hex] ?? 0) + 1;
  }
  return out;
}
"""


def fine_tuned(layers: int = 3):
    """GPT-2 in small, and with two layers changed."""
    a = gpt(layers=layers)
    front = "transformer.h"
    factors = {f"{front}.1.attn.c_attn.weight": 1.3, f"{front}.2.mlp.c_fc.weight": 1.004}
    return a, a.bind({k: v * factors.get(k, 1.0) for k, v in a.values.items()})


def rows(page) -> list[str]:
    return page.page.eval_on_selector_all("#table li", "all => all.map(x => x.textContent)")


def changes_of(page) -> dict[str, str]:
    return {i["title"]: i["change"] for i in page.state["items"] if i.get("change")}


def test_boxes_say_how_much_they_changed(explore):
    a, b = fine_tuned(4)
    page = explore(a, other=b)
    assert changes_of(page) == {
        "transformer.h.1.attn": "1/4 changed, most Δ 30 %",
        "transformer.h.2.mlp": "1/4 changed, most Δ 0.4 %",
    }
    assert "2 of 53 parameters changed" in page.page.text_content("#changes p")
    assert rows(page) == [f"{ATTENTION}Δ 30 %", "transformer.h.2.mlp.c_fc.weightΔ 0.4 %"]
    drawn = page.page.evaluate(PIXELS, "marks")
    assert all(near(look.color, drawn) for look in (STEPS[1][1], STEPS[3][1], SAME))
    assert not near(STEPS[4][1].color, drawn)
    legend = page.page.text_content("#legend")
    assert "unchanged" in legend
    assert "Δ ≤ 1 %" in legend
    assert "only in" not in legend


@pytest.mark.parametrize("how", ["click", "Enter"])
def test_a_row_leads_to_its_parameter(explore, how):
    a, b = fine_tuned()
    page = explore(a, other=b)
    if how == "click":
        page.page.click("#table li:first-child button")
    else:
        page.page.focus("#table li:first-child button")
        page.page.keyboard.press("Enter")
    state = page.settle()
    assert state["found"] == "edges"
    assert len(state["edges"]) == 8 * 24
    lines = state["tip"].split("\n")
    assert lines[0] == f"{ATTENTION}  24{TIMES}8, Δ 30 %"
    # The largest difference comes first.
    top = int(a.values[ATTENTION].abs().argmax())
    row, col = divmod(top, 8)
    before = float(a.values[ATTENTION].flatten()[top])
    assert lines[1].startswith(
        f"[{row}, {col}]: a = {before:.4g}, b = {1.3 * before:.4g}, b {MINUS} a = "
    )
    item = next(i for i in state["items"] if i["title"] == "transformer.h.1.attn.c_attn")
    x = item["x"] * state["camera"]["k"] + state["camera"]["x"]
    assert 0 < x < page.page.evaluate("document.getElementById('stage').clientWidth")


def test_arrow_keys_walk_through_the_table(explore):
    a, b = fine_tuned()
    page = explore(a, other=b)
    page.page.focus("#table li:first-child button")
    page.page.keyboard.press("ArrowDown")
    assert "c_fc.weight" in page.page.evaluate("document.activeElement.textContent")
    page.page.keyboard.press("ArrowUp")
    assert "c_attn.weight" in page.page.evaluate("document.activeElement.textContent")


def test_a_long_table_ends_in_a_count(explore):
    a = valued(chain(560))
    page = explore(a, other=a.bind({k: 2 * v for k, v in a.values.items()}))
    found = rows(page)
    assert len(found) == 501
    assert found[-1] == "and 59 more"


def test_a_parameter_on_no_edge_leads_nowhere(explore):
    a = valued(mlp((2, 3, 1)))
    last = a.slots[-1]
    spare = Slot("spare", (2,), torch.float32, last.offset + last.numel, used=False)
    b = replace(a, slots=(*a.slots, spare), values={**a.values, "spare": torch.ones(2)})
    page = explore(a, other=b)
    assert rows(page) == ["spareonly in b"]
    assert page.page.is_disabled("#table button")


def test_marks_follow_the_screen(explore):
    a, b = fine_tuned()
    page = explore(a, other=b)
    look = STEPS[3][1]
    for scheme, color in (("light", look.color), ("dark", look.dark), ("light", look.color)):
        page.page.emulate_media(color_scheme=scheme)
        page.settle()
        red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
        for where in ("#table li:first-child i", "#tree i"):
            shown = page.page.eval_on_selector(where, "x => getComputedStyle(x).backgroundColor")
            assert shown == f"rgb({red}, {green}, {blue})"


def test_single_edges_show_the_difference(explore):
    a = valued(mlp((2, 3, 1)))
    delta = torch.tensor([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.25]])
    page = explore(a, other=with_values(a, fc1__weight=a.values["fc1.weight"] + delta))
    assert page.page.text_content("label[for=slider]").startswith(f"|b {MINUS} a| at least")
    assert page.state["shown"] == 13
    assert f"b {MINUS} a above 0" in page.page.text_content("#legend")
    node = a.groups[1].start
    tip = page.hover(node)["tip"]
    value = float(a.values["fc1.weight"][0, 0])
    assert f"fc1.weight[0, 0]: a = {value:.4g}, b = {value + 0.5:.4g}, b {MINUS} a = 0.5" in tip
    other = float(a.values["fc1.weight"][0, 1])
    assert f"fc1.weight[0, 1] = {other:.4g}, unchanged" in tip
    # The slider goes by |b - a|, and starts at the smallest difference.
    assert page.slide(1)["shown"] == 3
    assert page.state["least"] == pytest.approx(0.25)
    assert page.slide(999)["shown"] == 2
    assert page.slide(0)["shown"] == 13


def test_an_edge_has_both_values(explore):
    a = valued(mlp((2, 3, 1)))
    page = explore(a, other=a.bind({k: v + 0.5 for k, v in a.values.items()}))
    state = page.hover_between(a.groups[0].start, a.groups[1].start)
    assert state["found"] == "edge"
    value = float(a.values["fc1.weight"][0, 0])
    assert (
        f"fc1.weight[0, 0]: a = {value:.4g}, b = {value + 0.5:.4g}, b {MINUS} a = 0.5"
        in state["tip"]
    )
    assert "input 0 → fc1 0" in state["tip"]


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_signs_and_states_have_their_colours(explore, scheme, dark):
    a = valued(mlp((1, 1, 1)))
    for delta, sign in ((3.0, "positive"), (-3.0, "negative")):
        b = with_values(a, fc1__weight=a.values["fc1.weight"] + delta)
        page = explore(a, other=b, context={"color_scheme": scheme})
        page.page.click("#table li:first-child button")
        page.settle()
        wanted = SIGNS[sign].dark if dark else SIGNS[sign].color
        assert near(wanted, page.page.evaluate(PIXELS, "over"))
        other = SIGNS["negative" if sign == "positive" else "positive"]
        assert not near(other.dark if dark else other.color, page.page.evaluate(PIXELS, "over"))


def near(wanted: str, drawn: dict[str, int]) -> bool:
    """Whether some pixels have about this colour: lines are never quite opaque."""
    goal = [int(wanted[k : k + 2], 16) for k in (1, 3, 5)]
    return any(
        times > 4
        and max(abs(int(c[k : k + 2], 16) - g) for k, g in zip((1, 3, 5), goal, strict=True)) < 24
        for c, times in drawn.items()
    )


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_what_one_graph_has_alone(explore, scheme, dark):
    a, b = valued(mlp((2, 4, 4, 1))), valued(mlp((2, 4, 6, 6, 1)))
    for one, two, look in ((a, b, ADDED), (b, a, REMOVED)):
        page = explore(one, other=two, context={"color_scheme": scheme}, start="closed")
        found = changes_of(page)
        assert found["fc4"] == look.legend
        assert found["fc2"] == ("4 → 6" if look is ADDED else "6 → 4")
        drawn = page.page.evaluate(PIXELS, "marks")
        assert near(look.dark if dark else look.color, drawn)
        assert near(RESIZED.dark if dark else RESIZED.color, drawn)
        page.page.click("#expand")
        page.settle()
        assert page.search("fc4.weight")[0] == "fc4.weight  (parameter)"
        page.page.keyboard.press("Enter")
        values = b.values["fc4.weight"].flatten()
        top = int(values.abs().argmax())
        first = page.settle()["tip"].split("\n")[1]
        assert first == f"[0, {top}] = {float(values[top]):.4g}, {look.legend}"


def test_both_names_are_found(explore):
    a = valued(mlp((2, 3, 1)))
    b = renamed(with_values(a, fc1__bias=a.values["fc1.bias"] + 1), "model.")
    page = explore(a, other=b)
    assert page.search("fc1.bias") == ["fc1.bias  (parameter)", "model.fc1.bias  (parameter in b)"]
    for name in ("model.fc1.bias", "fc1.bias"):
        page.search(name)
        page.page.keyboard.press("Enter")
        state = page.settle()
        assert len(state["edges"]) == 3
        assert state["tip"].startswith("fc1.bias  3, Δ ")
        page.page.keyboard.press("Escape")
    assert "named model.fc1.bias in b" in page.page.get_attribute(
        "#table li:first-child button", "title"
    )


def test_tooltips_of_boxes_and_arrows(explore):
    a, b = valued(mlp((2, 4, 4, 1))), valued(mlp((2, 4, 6, 1)))
    page = explore(a, other=b, start="closed")

    def hover(x: float, y: float) -> str:
        camera = page.state["camera"]
        left = page.page.evaluate("document.getElementById('stage').getBoundingClientRect().left")
        page.page.mouse.move(left + x * camera["k"] + camera["x"], y * camera["k"] + camera["y"])
        return page.settle()["tip"]

    boxes = {i["title"]: i for i in page.state["items"]}
    box = boxes["fc2"]
    tip = hover(box["x"] + 20, box["y"] + 10)
    assert "4 → 6" in tip
    assert f"fc2.weight  6{TIMES}4, 4{TIMES}4 → 6{TIMES}4" in tip
    assert "unchanged" in hover(boxes["fc1"]["x"] + 20, boxes["fc1"]["y"] + 10)
    between = (boxes["fc1"]["x"] + boxes["fc1"]["w"] + box["x"]) / 2
    tip = hover(between, box["y"] + box["h"] / 2)
    assert f"fc2.weight: 4{TIMES}4 in a, 6{TIMES}4 in b" in tip


def test_equal_graphs_say_so(explore):
    a = valued(gpt())
    page = explore(a, other=a)
    assert page.page.text_content("#changes p").startswith("no difference: equal structure")
    assert rows(page) == []
    assert changes_of(page) == {}
    assert page.page.text_content("#legend").startswith("unchanged")


def test_nothing_in_common(explore):
    page = explore(valued(mlp((2, 3, 1))), other=gpt())
    assert page.page.text_content("#changes p").startswith("nothing in common")
    assert "is OTHER a version of GRAPH?" in page.page.text_content("#notes")
    assert {*changes_of(page).values()} >= {"only in a", "only in b"}


def test_structure_only(explore):
    page = explore(mlp((2, 3, 1), values=False), other=mlp((2, 3, 3, 1), values=False))
    assert not page.page.is_visible("#threshold")
    assert page.state["shown"] > 0
    assert "same structure" in page.page.text_content("#legend")
    assert "only in b" in changes_of(page).values()
    page.hover(0)


def test_nan_inf_and_complex(explore):
    a = valued(mlp((2, 3, 1)))
    weight = a.values["fc1.weight"].clone()
    weight[0, 0], weight[1, 1], weight[2, 0] = math.nan, -math.inf, weight[2, 0] + 1
    page = explore(a, other=with_values(a, fc1__weight=weight))
    assert rows(page) == ["fc1.weightΔ nan or inf"]
    assert f"b = NaN, b {MINUS} a = NaN" in page.hover(a.groups[1].start)["tip"]
    assert page.slide(900)["shown"] == 3
    odd = with_values(a, fc1__weight=a.values["fc1.weight"] + 2j)
    page = explore(a, other=odd)
    assert f"b {MINUS} a = 2" in page.hover(a.groups[1].start)["tip"]
    assert "real parts" in page.page.text_content("#notes")


def test_gpt2_shows_what_differs_most(explore):
    a = transformer()
    page = explore(a, other=transformer(layers=13))
    state = page.state
    assert len(state["items"]) <= 42
    assert (
        "of 170,247,168 edges are in this file: all of the small bundles"
        in page.page.text_content("#notes")
    )
    assert "transformer.h.12" in " ".join(changes_of(page))
    assert len(rows(page)) == 12
    page.page.click("#table li:nth-child(3) button")
    assert page.settle()["found"] in ("arrow", "edges")


def test_a_large_parameter_lights_its_largest_differences(explore):
    a = valued(mlp((60, 60, 5)))
    page = explore(a, other=a.bind({k: v * 1.1 for k, v in a.values.items()}))
    page.search("fc1.weight")
    page.page.keyboard.press("Enter")
    state = page.settle()
    assert len(state["edges"]) == 400
    assert "lit: of its edges in this file, the 400 that differ most" in state["tip"]
    page = explore(a, other=a)
    page.search("fc1.weight")
    page.page.keyboard.press("Enter")
    assert "lit: of its edges in this file, 400\n" in page.settle()["tip"]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_text(explore, name):
    a, b = poisoned(name), poisoned("other" + name)
    b = replace(b, values={k: v + 1 for k, v in b.values.items()})
    page = explore(a, other=b, start="closed")
    page.page.evaluate("() => { window.alert = () => { window.hacked = true; }; }")
    page.page.click("#expand")
    page.search(name[:50])
    page.hover(3)
    page.page.click("#table li:first-child button")
    page.settle()
    assert page.page.evaluate("window.hacked === undefined")
    assert page.page.evaluate("document.querySelectorAll('script').length") == 2
    assert page.page.evaluate("document.querySelectorAll('img, image, iframe, b, a').length") == 0


def test_paper_is_light_and_says_what_differs(explore):
    a, b = fine_tuned()
    page = explore(a, other=b, context={"color_scheme": "dark"})
    page.page.emulate_media(media="print")
    page.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.page.is_visible("#changes p")
    assert not page.page.is_visible("#table")
    assert near(STEPS[3][1].color, page.page.evaluate(PIXELS, "marks"))
