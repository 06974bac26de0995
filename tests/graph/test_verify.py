from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gmn_fx.errors import GraphError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Equality, Group, Slot


def fails(graph, *words: str, level: str = "full") -> None:
    """It is refused; the message holds all words and a hint."""
    with pytest.raises(GraphError) as caught:
        graph.verify(level=level)
    text = str(caught.value)
    for word in (*words, "hint:"):
        assert word in text, text


def table(m: IndexMap) -> IndexMap:
    """The same map, written as a table (so that strides cannot prove anything)."""
    return IndexMap(m.shape, 0, IndexMap.from_array(np.arange(m.size).reshape(m.shape)).strides,
                    m.array().reshape(-1).copy())  # fmt: skip


def test_good_graphs_pass(any_graph, bind_random):
    any_graph.verify()
    bind_random(any_graph).verify(level="values")


def test_p1_element_on_no_edge(mlp, change):
    b = mlp.bundles[0]
    bad = change(mlp, 0, shape=(3, 1), src=IndexMap.constant(0, (3, 1)),
                 dst=IndexMap((3, 1), 3, (1, 0)), view=IndexMap((3, 1), 0, (2, 0)))  # fmt: skip
    fails(bad, "P1", "3 of 6 elements of slot '0.weight'", "(0, 1)", "weight/linear", b.name)


def test_p1_slot_on_no_edge(mlp):
    fails(replace(mlp, bundles=mlp.bundles[:3]), "P1", "'2.bias'", "lies on no edge")


def test_p1_unread_count_must_be_right(conv):
    fails(replace(conv, unread=()), "P1", "2 of 8 elements of slot 'rows'", "graph.unread says 0")
    fails(replace(conv, unread=(("rows", 3),)), "P1", "graph.unread says 3")
    fails(replace(conv, unread=(("rows", 9),)), "P1", "9 elements of 'rows'")
    fails(replace(conv, unread=(("nobody", 1),)), "P1", "nobody")


def test_p1_two_edges_without_tied(tied, change):
    fails(change(tied, 1, tied=False), "P1", "(0, 0)", "'wte.weight'", "2 edges", "tied=True")


def test_p1_two_edges_inside_one_bundle(mlp, change):
    bad = change(mlp, 1, view=IndexMap.constant(0, (3,)))
    fails(bad, "P1", "2 of 3 elements of slot '0.bias'")


def test_p1_table_views_are_counted(any_graph):
    bundles = [b if b.view is None else replace(b, view=table(b.view)) for b in any_graph.bundles]
    replace(any_graph, bundles=tuple(bundles)).verify()
    first = bundles[0].view
    wrong = first.table.copy()
    wrong[1] = wrong[0]
    bundles[0] = replace(bundles[0], view=replace(first, table=wrong))
    bad = replace(any_graph, bundles=tuple(bundles))
    if any_graph.name == "tied":
        bad.verify()  # the other bundle still reads that element, and both are marked tied
    else:
        fails(bad, "P1")


def test_p1_slot_split_over_bundles(mlp):
    """Queries, keys and values in one matrix: three ranges of one slot."""
    b = mlp.bundles[0]
    rows = tuple(
        replace(b, shape=(1, 2), src=IndexMap((1, 2), 0, (0, 1)), dst=IndexMap.constant(3 + i),
                view=IndexMap((1, 2), 2 * i, (0, 1)))
        for i in range(3)
    )  # fmt: skip
    replace(mlp, bundles=(*rows, *mlp.bundles[1:])).verify()
    fails(replace(mlp, bundles=(*rows[1:], *mlp.bundles[1:])), "P1", "(0, 0)")


def test_p1_unused_slots(conv):
    slots = list(conv.slots)
    slots[3] = replace(slots[3], reason="")
    fails(replace(conv, slots=tuple(slots)), "P1", "'bn.steps'", "without a reason")
    slots[3] = conv.slots[3]
    slots[2] = replace(slots[2], used=False, reason="never")
    fails(replace(conv, slots=tuple(slots)), "P1", "'bn.running_mean'", "marked unused")


def test_p1_slots_are_ordered_and_unique(mlp):
    slots = list(mlp.slots)
    fails(replace(mlp, slots=(slots[1], slots[0], *slots[2:])), "P1", "starts at 6, not 0")
    slots[1] = replace(slots[1], aliases=("0.weight",))
    fails(replace(mlp, slots=tuple(slots)), "P1", "two slots are called '0.weight'")


def test_p2_is_checked_on_demand(mlp, bind_random):
    graph = bind_random(mlp)
    graph.verify(level="values")
    fails(mlp, "no values", level="values")
    raw = replace(graph, established=frozenset())
    bundles = list(raw.bundles)
    bundles[1] = replace(bundles[1], view=IndexMap.constant(0, (3,)), tied=True)
    bad = replace(raw, bundles=tuple(bundles))
    bad.verify(level="values")  # unread elements come back from the bound values
    fails(graph, "level", level="nonsense")


def test_p7_endpoints_exist(mlp, change):
    fails(change(mlp, 3, dst=IndexMap.arange(1, 8)), "P7", "dst of bundle #3 bias/linear of '2'",
          "8 to 8", "8 nodes")  # fmt: skip
    fails(change(mlp, 0, src=IndexMap((3, 2), 0, (0, -1))), "P7", "src of bundle #0", "-1 to 0")


def test_p7_table_keys_are_in_the_table(mlp, change):
    hostile = IndexMap((3,), 0, (10**12,), np.array([3, 4, 5]))
    fails(change(mlp, 1, dst=hostile), "P7", "table of 3", level="structure")
    negative = IndexMap((3,), -1, (1,), np.array([3, 4, 5]))
    fails(change(mlp, 1, dst=negative), "P7", "-1 to 1", level="structure")


def test_p7_kinds_are_in_the_vocabulary(mlp, change):
    fails(change(mlp, 0, kind="wieght"), "P7", "wieght")
    groups = (replace(mlp.groups[0], kind="inptu"), *mlp.groups[1:])
    fails(replace(mlp, groups=groups), "P7", "inptu")


def test_p7_maps_broadcast(mlp, change):
    fails(change(mlp, 1, label=IndexMap.arange(2)), "P7", "label of bundle #1", "(2,)")
    fails(change(mlp, 1, view=IndexMap.arange(4)), "P7", "view of bundle #1")
    fails(change(mlp, 1, history=IndexMap.constant(2)), "P7", "history of bundle #1", "2 histories")


def test_p7_slots_and_views(mlp, change):
    fails(change(mlp, 1, slot="bias"), "P7", "'bias'", "does not have")
    fails(change(mlp, 1, view=None), "P7", "slot without a view")
    fails(change(mlp, 1, slot=None), "P7", "view without a slot")
    fails(change(mlp, 1, view=IndexMap.arange(3, 1)), "P7", "1 to 3", "3 elements of '0.bias'")


def test_p7_groups_lie_without_gaps(mlp):
    groups = list(mlp.groups)
    groups[2] = replace(groups[2], start=4)
    fails(replace(mlp, groups=tuple(groups)), "P7", "starts at node 4, not 3")


def test_p7_dangling_group(mlp):
    graph = replace(mlp, groups=(*mlp.groups, Group("neuron", "linear", 8, 5, name="lost")))
    fails(graph, "P7", "'lost'", "dangles")
    ignored = replace(mlp, groups=(*mlp.groups, Group("input", "input", 8, 5, name="mask")))
    ignored.verify()


def test_p7_group_touched_through_a_wide_map(mlp):
    """A map that jumps over a group does not touch it."""
    graph = replace(
        mlp,
        groups=(*mlp.groups, Group("neuron", "a", 8, 1), Group("neuron", "b", 9, 1, name="gap"),
                Group("neuron", "c", 10, 1)),
        bundles=(*mlp.bundles, Bundle("flow", "sum", (2,), IndexMap.constant(0),
                                      IndexMap((2,), 8, (2,)))),
    )  # fmt: skip
    fails(graph, "P7", "'gap'", "dangles")


def test_p7_duplicate_edges_inside_a_bundle(conv, change):
    fails(change(conv, 0, label=IndexMap((), -1, ())), "P7", "duplicate", "weight/conv2d")
    fails(change(conv, 1, label=IndexMap.constant(0)), "P7", "duplicate", "weight/linear")
    fails(change(conv, 1, label=IndexMap.from_array(np.arange(12) % 3 // 2)), "P7", "duplicate")


def test_p7_duplicate_edges_between_bundles(mlp):
    skip = Bundle("residual", "sum", (3,), IndexMap.constant(0), IndexMap.arange(3, 3))
    one = replace(mlp, bundles=(*mlp.bundles, skip))
    one.verify()
    again = replace(skip, shape=(2,), dst=IndexMap((2,), 5, (-2,)))
    two = replace(mlp, bundles=(*mlp.bundles, skip, again))
    fails(two, "P7", "duplicate", "residual/sum [3]", "residual/sum [2]")
    for told in (
        {"label": IndexMap.constant(1)},
        {"operand": 1},
        {"history": IndexMap.constant(1)},
        {"depth": 4},
        {"src": IndexMap.constant(1)},
        {"op": "other"},
    ):
        replace(mlp, bundles=(*mlp.bundles, skip, replace(again, **told))).verify()


def test_p7_interleaved_bundles_are_no_duplicates(mlp):
    """Overlapping ranges, disjoint edges."""
    even = Bundle("flow", "sum", (2,), IndexMap((2,), 3, (2,)), IndexMap.constant(7))
    odd = Bundle("flow", "sum", (1,), IndexMap.constant(4), IndexMap.constant(7))
    replace(mlp, bundles=(*mlp.bundles, even, odd)).verify()
    fails(replace(mlp, bundles=(*mlp.bundles, even, replace(odd, src=IndexMap.constant(5)))), "P7")


def test_p7_pinned_labels_are_unique(mlp):
    groups = list(mlp.groups)
    groups[4] = replace(groups[4], pin=IndexMap.constant(0))
    fails(replace(mlp, groups=tuple(groups)), "P7", "label 0 of pin 0")


def test_raw_graphs_are_held_to_their_shape_only(mlp, change):
    both = Equality(IndexMap.arange(2), IndexMap.arange(2, 3), "shared")
    raw = replace(mlp, bundles=mlp.bundles[:2], equalities=(both,))
    raw.verify()
    fails(replace(raw, equalities=(Equality(both.left, IndexMap.arange(2, 7)),)), "P7", "equality")
    fails(change(raw, 0, kind="x"), "P7")


def test_hostile_sizes(mlp, change):
    huge = (2**40, 2**40)
    flat = IndexMap.constant(0)
    fails(change(mlp, 0, shape=huge, src=flat, dst=flat, slot=None, view=None), "P7", "shape")
    slots = (*mlp.slots, Slot("big", (2**40, 2**40), torch.float32, 13, used=False, reason="-"))
    fails(replace(mlp, slots=slots), "P1", "too many")
    groups = (*mlp.groups, Group("neuron", "x", 8, 2**63))
    fails(replace(mlp, groups=groups), "P7", "too many")
    fails(change(mlp, 0, label=IndexMap.constant(2**70)), "P7", "label of bundle #0")
