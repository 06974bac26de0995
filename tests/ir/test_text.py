"""The text form of programs: prints, parses, and says where it does not."""

from __future__ import annotations

import operator
import random

import pytest
import torch
from torch import fx, nn

from gmn_fx.errors import TextError
from gmn_fx.ir import ops
from gmn_fx.ir.program import Binding, Program
from gmn_fx.ir.text import parse_program, print_program

aten = torch.ops.aten

EVERYTHING = """\
program "mlp" {
  rung "export"
  established "a", "b"
  note "branch \\"x\\" // not a comment"
  %x = input "x" : f32[2, 4]
  %fc.weight = param "fc.weight" : f32[8, 4]
  %p0.weight = param "0.weight" frozen tied "a.b", "c" : bf16[8]
  %bn.running_mean = buffer "bn.running_mean" : f64[8]
  %c = constant "c" : f32[3] = [0.1, -inf, nan]
  %mask = constant "mask" : bool[2] = [true, false]
  %empty = constant "empty" : i64[0] = []
  %scalar = constant "scalar" : i64[] = [-3]
  %0 = aten.linear.default(%x, %fc.weight, none) : f32[2, 8]  @ "fc" torch.nn.Linear "model.py:12"
  %1 = aten.sum.dim_IntList(%0, [1], true) : f32[2, 1]  @ "" "m.<locals>.X"
  %2 = aten.split.Tensor(%0, 4, 1) : [f32[2, 4], f32[2, 4]]
  %3 = getitem(%2, 0) : f32[2, 4]  @ "" "" "model.py:3"
  %4 = aten.full.default([2, 3], -inf, dtype=torch.float32, layout=torch.strided, device=device("cpu"), memory_format=torch.contiguous_format) : f32[2, 3]
  %5 = gmn.leaf("k", %x, (1,), (), [], slice(none, 1, none), ellipsis, 1e-05, -2, "a\\nb", complex(0.0, 1.0)) {params=[("weight", 1)]} : (f32[2], (i64[], none), 3, 2.5, true)
  %6 = gmn.bias(%3, %p0.weight, -1) : f32[2, 4]
  %7 = aten.cat.default([%3, %6], dim=1) : f32[2, 8]
  return %1 as "output", %7 as "other"
}
"""  # noqa: E501


def test_prints_what_it_parses() -> None:
    program = parse_program(EVERYTHING)
    assert print_program(program) == EVERYTHING
    assert print_program(program.copy()) == EVERYTHING


def test_parse_gives_meta_tensors_bindings_and_places() -> None:
    program = parse_program(EVERYTHING)
    nodes = list(program.graph.nodes)
    val = next(n for n in nodes if n.target is aten.linear.default).meta["val"]
    assert val.is_meta
    assert val.shape == (2, 8)
    assert list(program.bindings.values())[:4] == [
        Binding("input", "x"),
        Binding("param", "fc.weight", True),
        Binding("param", "0.weight", False, ("a.b", "c")),
        Binding("buffer", "bn.running_mean"),
    ]
    place = [nodes[8].meta[key] for key in ("module", "module_class", "source")]
    assert place == ["fc", "torch.nn.Linear", "model.py:12"]
    assert torch.equal(program.constants["mask"], torch.tensor([True, False]))
    assert program.constants["c"][1] == -torch.inf
    assert program.outputs == ("output", "other")
    assert program.established == {"a", "b"}
    assert program.notes == ('branch "x" // not a comment',)


def test_parsed_arguments_are_the_same_objects() -> None:
    program = parse_program(EVERYTHING)
    full = next(n for n in program.graph.nodes if n.target is aten.full.default)
    assert full.args[1] == -float("inf")
    assert full.kwargs["dtype"] is torch.float32
    assert full.kwargs["memory_format"] is torch.contiguous_format
    assert full.kwargs["layout"] is torch.strided
    assert full.kwargs["device"] == torch.device("cpu")
    leaf = next(n for n in program.graph.nodes if n.target is ops.leaf)
    assert leaf.args[5:7] == (slice(None, 1, None), Ellipsis)
    assert leaf.meta["leaf"]["params"] == {"weight": 1}


def test_values_are_numbered_at_print_time() -> None:
    """Other internal names, the same text."""
    text = 'program "m" {\n  %x = input "x" : f32[2]\n  %7 = aten.relu.default(%x) : f32[2]\n'
    assert "%0 = aten.relu" in print_program(parse_program(text + "  return %7\n}\n"))


def test_names_of_placeholders_are_readable_and_distinct() -> None:
    graph, bindings = fx.Graph(), {}
    for i, name in enumerate(["a.b", "a.b", "args[0]", "0.weight", "", "é"]):
        node = graph.placeholder(f"p{i}")
        node.meta["val"] = torch.empty(1, device="meta")
        bindings[node.name] = Binding("input", name)
    graph.output(())
    text = print_program(Program(graph, bindings))
    names = [line.split()[0] for line in text.splitlines()[1:-2]]
    assert names == ["%a.b", "%a.b_1", "%args_0", "%p0.weight", "%p", "%p_1"]
    assert print_program(parse_program(text)) == text


def test_large_constants_only_in_full() -> None:
    program = parse_program(
        'program "m" {\n  %c = constant "c" : f16[40]\n'
        "  %0 = aten.relu.default(%c) : f16[40]\n  return %0\n}\n"
    )
    value = torch.randn(40).half()
    program.constants["c"] = value
    assert "data" not in print_program(program)
    text = print_program(program, full=True)
    again = parse_program(text)
    assert torch.equal(again.constants["c"], value)
    assert print_program(again, full=True) == text


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_small_float_constants_are_exact(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    value = torch.cat([torch.randn(10), torch.tensor([0.1, -0.0, 1e-7, 3e4])]).to(dtype)
    text = 'program "m" {\n  %c = constant "c" : f64[14]\n  return %c\n}\n'
    program = parse_program(text)
    program.constants["c"] = value
    next(iter(program.graph.nodes)).meta["val"] = value.to("meta")
    again = parse_program(print_program(program)).constants["c"]
    assert again.dtype == dtype
    assert torch.equal(again, value)
    assert torch.equal(again.signbit(), value.signbit())


def test_torch_fn_is_kept_in_full() -> None:
    text = (
        'program "m" {\n  %x = input "x" : f32[2]\n'
        '  %0 = aten.relu.default(%x) {torch_fn="function.relu"} : f32[2]\n  return %0\n}\n'
    )
    program = parse_program(text)
    assert print_program(program, full=True) == text
    assert "torch_fn" not in print_program(program)


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.conv = nn.Conv1d(3, 3, 2, padding="same")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        y, _ = self.attention(x, x, x, need_weights=False)
        return y.chunk(2, dim=-1)[0].to(torch.float64) + torch.zeros(1)


def _exported(model: nn.Module, *args: torch.Tensor) -> Program:
    exported = torch.export.export(model, args, strict=False).run_decompositions({})
    bindings: dict[str, Binding] = {}
    for spec in exported.graph_signature.input_specs:
        bindings[spec.arg.name] = Binding("input", spec.target or spec.arg.name)
    for node in exported.graph.nodes:
        val = node.meta.get("val")
        if isinstance(val, torch.Tensor):
            node.meta["val"] = torch.empty(val.shape, dtype=val.dtype, device="meta")
    return Program(exported.graph, bindings)


def test_real_export_round_trips() -> None:
    program = _exported(_Attention().eval(), torch.randn(2, 3, 4))
    text = print_program(program, full=True)
    again = parse_program(text)
    assert print_program(again, full=True) == text
    ours, theirs = list(program.graph.nodes), list(again.graph.nodes)
    assert [n.target for n in ours if n.op == "call_function"] == [
        n.target for n in theirs if n.op == "call_function"
    ]


def test_parsed_program_computes_the_same() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2)).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    program = _exported(model, x)
    state = dict(model.named_parameters())
    again = parse_program(print_program(program))
    values = {
        name: x if binding.name == "input" else state[binding.name]
        for name, binding in again.bindings.items()
    }
    assert torch.allclose(again.run(values)[0], model(x), rtol=1e-12)


def _random_value(rng: random.Random, nodes: list[fx.Node], depth: int) -> object:
    scalars: list[object] = [
        None, True, False, 0, -7, 10**12, 0.5, -1e-300, 1e20, float("inf"), "", 'q"\\\n', "%0",
        torch.int64, torch.preserve_format, torch.device("meta"), Ellipsis, rng.choice(nodes),
    ]  # fmt: skip
    if depth == 0 or rng.random() < 0.6:
        return rng.choice(scalars)
    items = [_random_value(rng, nodes, depth - 1) for _ in range(rng.randrange(4))]
    return items if rng.random() < 0.5 else tuple(items)


@pytest.mark.parametrize("seed", range(30))
def test_random_arguments_round_trip(seed: int) -> None:
    rng = random.Random(seed)
    graph = fx.Graph()
    x = graph.placeholder("x")
    nodes = [x]
    for _ in range(6):
        args = tuple(_random_value(rng, nodes, 3) for _ in range(rng.randrange(4)))
        kwargs = {"dim": _random_value(rng, nodes, 2)} if rng.random() < 0.3 else {}
        target = rng.choice([aten.add.Tensor, operator.getitem, ops.residual])
        nodes.append(graph.call_function(target, args, kwargs))
    graph.output(tuple(nodes[1:]))
    for node in nodes:
        node.meta["val"] = torch.empty(rng.randrange(3), device="meta")
    text = print_program(Program(graph, {"x": Binding("input", "x")}))
    assert print_program(parse_program(text)) == text


HEAD = 'program "m" {\n  %x = input "x" : f32[2]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the text is empty"),
        ("graph {", "line 1: expected 'program', found 'graph'"),
        ('program "m" {', "line 1: the program is not closed"),
        (HEAD + "}", "line 3: the program returns nothing"),
        (HEAD + "  return %x\n", "line 3: the program is not closed"),
        (HEAD + "  return %x\n}\n%0 = 1", "line 5: text after the end"),
        (HEAD + "  return %y\n}", "line 3: %y is not defined above this line"),
        (HEAD + '  return %x\n  %y = input "y" : f32[]\n}', "line 4: a value is defined after"),
        (HEAD + '  %x = input "z" : f32[]\n', "line 3: %x is defined twice"),
        (HEAD + "  %0 = aten.rleu.default(%x) : f32[2]\n", "line 3: there is no op aten.rleu"),
        (HEAD + "  %0 = aten.relu(%x) : f32[2]\n", "line 3: there is no op aten.relu"),
        (HEAD + "  %0 = gmn.leaf_table(%x) : f32[2]\n", "line 3: there is no op gmn.leaf_table"),
        (HEAD + "  %0 = nope.x.y(%x) : f32[2]\n", "line 3: there is no op nope.x.y"),
        (HEAD + "  %0 = aten.relu.default(%x : f32[2]\n", "line 3: expected ')', found ':'"),
        (HEAD + "  %0 = aten.relu.default(%x)\n", "line 3: expected ':', found the end of the"),
        (HEAD + "  %0 = aten.relu.default(%x) : f32[-1]\n", "line 3: bad shape [-1]"),
        (HEAD + "  %0 = aten.relu.default(%x) : f33[2]\n", "line 3: expected a value, found 'f33'"),
        (HEAD + "  %0 = aten.relu.default(x) : f32[2]\n", "line 3: expected a value, found 'x'"),
        (HEAD + "  %0 = aten.relu.default(a=1, %x) : f32[2]\n", "line 3: a positional argument"),
        (HEAD + "  %0 = aten.relu.default(%x) ; f32\n", "line 3: cannot read '; f32'"),
        (HEAD + "  %0 = aten.relu.default(torch.load) : f32[]\n", "found 'torch.load'"),
        (HEAD + '  %0 = aten.relu.default(device("x")) : f32[]\n', "line 3: bad device"),
        (HEAD + "  return %x extra\n", "line 3: unexpected 'extra'"),
        (HEAD + '  return %x as "a", %x\n', "line 3: some outputs have a name"),
        (HEAD + '  %c = constant "c" : f32[2] = [1.0]\n', "line 3: bad value of the constant"),
        (HEAD + '  %c = constant "c" : f32[2] = data "AAAA"\n', "line 3: bad value of the const"),
    ],
)
def test_errors_name_the_line(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_program(text)
    assert message in str(caught.value)


def test_data_never_inflates_beyond_its_type() -> None:
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(bytes(10**7))).decode()
    with pytest.raises(TextError, match="8 bytes expected, 9 found"):
        parse_program(HEAD + f'  %c = constant "c" : f32[2] = data "{bomb}"\n')


def test_broken_programs_print_too() -> None:
    """What verification refuses can still be looked at."""
    graph = fx.Graph()
    x = graph.placeholder("x")
    graph.output(graph.call_function(torch.relu, (x,)))
    text = print_program(Program(graph, {}))
    assert '%x = unbound "x" : ?' in text
    assert "!torch.relu(%x) : ?" in text


def test_comments_and_blank_lines() -> None:
    text = '// hello\n\nprogram "m" {\n%x = input "a//b" : f32[] // there\n return %x\n}\n// end\n'
    program = parse_program(text)
    assert program.bindings["x"].name == "a//b"


def test_arguments_without_text_are_refused() -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    graph.output((graph.call_function(aten.relu.default, (x, torch.Generator)),))
    with pytest.raises(TextError, match="has no text form"):
        print_program(Program(graph, {}))
