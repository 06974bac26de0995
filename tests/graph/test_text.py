from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_fx.errors import TextError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Equality, Group, ParameterGraph, Slot

MLP = """\
graph 1 "mlp"
meta "capture" = "symbolic"
meta "style" = "exact"
note "batch size 2 was specialised"
established collapse-weight-sharing
history 1 = "relu"
slot "0.weight" float32 [3, 2]
slot "0.bias" float32 [3]
slot "2.weight" float32 [1, 3]
slot "2.bias" float32 [1]
%0 = input/input [2] label=(:) pin=0 name="x"
%1 = bias/bias [1] depth=1 name="0" source="mlp.py:3"
%2 = neuron/linear [3] depth=1 name="0" source="mlp.py:3"
%3 = bias/bias [1] depth=2 name="2" source="mlp.py:5"
%4 = neuron/linear [1] depth=2 label=(_) pin=1 name="2" source="mlp.py:5"
weight/linear [3, 2] "0.weight"(:, :) %0(_, :) -> %2(:, _) depth=1 name="0"
bias/linear [3] "0.bias"(:) %1(_) -> %2(:) depth=1 name="0"
weight/linear [1, 3] "2.weight"(_, :) %2(_, :) -> %4(_, _) history=1 depth=2 name="2"
bias/linear [1] "2.bias"(_) %3(_) -> %4(_) depth=2 name="2"
"""


def test_the_mlp_prints_as_documented(mlp):
    assert mlp.to_text() == MLP
    assert str(mlp) == MLP


def test_round_trip(any_graph):
    assert ParameterGraph.parse(any_graph.to_text()) == any_graph


def test_values_are_not_printed(mlp, bind_random):
    assert bind_random(mlp).to_text() == mlp.to_text()


def test_source_lines_can_be_left_out(mlp):
    assert "mlp.py" not in mlp.to_text(source=False)


def test_size_is_that_of_the_layers(mlp):
    lines = mlp.to_text().splitlines()
    assert len(lines) == 6 + len(mlp.slots) + len(mlp.groups) + len(mlp.bundles)


def test_blank_lines_comments_and_windows_line_ends():
    text = "\r\n# a comment\r\n" + MLP.replace("\n", "\r\n\r\n")
    assert ParameterGraph.parse(text).to_text() == MLP


@pytest.mark.parametrize(
    "name", ['"', "\\", "a\nb", "é\u2028", "\ud800", "%0", "a b", "", "# x", "->", "[1]", "a/b"]
)
def test_hostile_names(mlp, change, name):
    slots = (replace(mlp.slots[0], name=name, aliases=(name + "!", "b,]")), *mlp.slots[1:])
    groups = (replace(mlp.groups[0], op=name, name=name, source=name), *mlp.groups[1:])
    graph = replace(mlp, name=name, slots=slots, groups=groups, notes=(name,), meta={name: name},
                    established=frozenset({name}), histories=("", name),
                    unread=((name, 0),))  # fmt: skip
    graph = change(graph, 0, op=name, slot=name, name=name, kind="weight")
    text = graph.to_text()
    assert text.isascii()
    assert text.count("\n") == len(mlp.to_text().splitlines()) + 1 - 1
    assert ParameterGraph.parse(text) == graph


def test_all_fields_of_a_raw_graph():
    graph = ParameterGraph(
        name="raw",
        slots=(
            Slot("a", (2,), torch.bfloat16, 5, False, ("x", "y"), False, "never read"),
            Slot("b", (), torch.complex64, 7),
        ),
        groups=(Group("neuron", "op", 3, 2), Group("neuron", "op", 9, 0, 4)),
        bundles=(
            Bundle("weight", "op", (2, 2), IndexMap((1, 2), 3, (0, 1)), IndexMap.constant(4),
                   "b", IndexMap.constant(0), tied=True),
            Bundle("flow", "op", (), IndexMap.constant(1), IndexMap.constant(20), operand=3),
            Bundle("flow", "op", (2,), IndexMap((2,), 3, (-1,)), IndexMap((2,), 8, (-4,))),
        ),
        histories=("odd", "x"),
        equalities=(
            Equality(IndexMap.arange(3), IndexMap((3,), 0, (1,), np.array([4, 0, 9])), "conv"),
            Equality(IndexMap.constant(3), IndexMap.constant(4)),
        ),
    )  # fmt: skip
    assert ParameterGraph.parse(graph.to_text()) == graph


@st.composite
def index_maps(draw: st.DrawFn, shape: tuple[int, ...]) -> IndexMap:
    rank = draw(st.integers(0, len(shape)))
    own = tuple(draw(st.sampled_from([1, n])) for n in shape[len(shape) - rank :])
    strides = tuple(draw(st.sampled_from([0, 1, 2, 3, 6, -1])) for _ in own)
    table = None
    if draw(st.booleans()):
        wide = draw(st.sampled_from([np.int32, np.int64]))
        table = np.array(draw(st.lists(st.integers(-5, 2**31 - 1) | st.integers(0, 3),
                                       min_size=100, max_size=100)), dtype=wide)  # fmt: skip
    return IndexMap(own, draw(st.integers(20, 60)), strides, table)


@settings(max_examples=80, deadline=None)
@given(st.data(), st.lists(st.integers(1, 4), max_size=3).map(tuple))
def test_round_trip_of_any_maps(data, shape):
    groups = tuple(Group("neuron", "x", 10 * i, 10) for i in range(7))
    maps = [data.draw(index_maps(shape)) for _ in range(5)]
    bundle = Bundle("weight", "x", shape, maps[0], maps[1], "w", maps[2], maps[3], maps[4])
    graph = ParameterGraph("g", (), groups, (bundle,))
    assert ParameterGraph.parse(graph.to_text()) == graph


def test_tables_print_as_runs(mlp, change):
    table = np.array([0, 1, 2, 3, 9, 9, 9, 9, 20, 10, 0, 5], dtype=np.int64)
    graph = change(mlp, 1, label=IndexMap((12,), 0, (1,), table))
    assert "label=@big{0..3, 9x4, 20..0/-10, 5}(:)[12]" in graph.to_text()
    assert ParameterGraph.parse(graph.to_text()) == graph


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("graph 1", "graph 2", "line 1: version 2"),
        ("graph 1", "digraph 1", "line 1, column 1: expected 'graph '"),
        ("history 1", "history 3", "line 6.*history 1 before history 3"),
        ("%1 =", "%7 =", r"line 12.*group %1 before %7"),
        ("slot \"0.bias\" float32", 'slot "0.bias" float33', "line 8.*a dtype"),
        ('slot "0.bias"', "slot 0.bias", "line 8.*a quoted string"),
        ("%2(:, _) depth", "%9(:, _) depth", "line 16.*a group that is defined above"),
        ("%0(_, :) ->", "%0(_) ->", "line 16.*2 axes"),
        ("%0(_, :) ->", "%0(_, ;) ->", "line 16.*an axis"),
        ("-> %2(:, _)", "=> %2(:, _)", "line 16.*expected '->'"),
        ("depth=1 name=\"0\"\nweight", "deepth=1\nweight", "line 17.*one of tied, operand, depth"),
        ("history=1", "history=1 history=1", "line 18.*one of"),
        ("[1] depth=1", "[1, 1] depth=1", "line 12.*one size"),
        ("note ", "notes ", "line 4.*a statement"),
        ("note ", "\"note\" ", "line 4.*a statement"),
        ("label=(:)", "label=@{1..5/3}(_)", "line 11.*ends on one of its steps"),
        ("label=(:)", "label=@{0..999999999999}(_)", "line 11.*shorter table"),
        ("label=(:)", "label=@{99999999999}(_)", "line 11.*int32"),
        ("label=(:)", "label=@{a}(_)", "line 11.*a run of numbers"),
        ("label=(:)", "label=", "line 11.*a map"),
        ("[3, 2] \"0", "[3, 2 \"0", "line 16.*expected ']'"),
        ('name="x"', r'name="\x"', "line 11.*a JSON string"),
        ('name="x"', 'name="x', "line 11.*a quoted string"),
        ('"mlp"', '"mlp" more', "line 1.*the end of the line"),
        ("depth=1", "depth=" + "9" * 5000, "line 12.*a number"),
    ],
)  # fmt: skip
def test_errors_name_the_line(old, new, message):
    assert old in MLP
    with pytest.raises(TextError, match=message) as caught:
        ParameterGraph.parse(MLP.replace(old, new, 1))
    assert "hint:" in str(caught.value)


def test_empty_text():
    with pytest.raises(TextError, match="line 1: the text is empty"):
        ParameterGraph.parse("\n# nothing\n")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(MLP) - 1), st.sampled_from(list('"%[](){}:,_*@+-=x0/\\')))
def test_damaged_text_parses_or_says_where(place, character):
    try:
        graph = ParameterGraph.parse(MLP[:place] + character + MLP[place + 1 :])
    except TextError as error:
        where = error.message
    else:
        where = "line "
        assert ParameterGraph.parse(graph.to_text()) == graph
    assert where.startswith("line ")
