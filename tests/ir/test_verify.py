"""The rules of a program, each broken once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import fx

from gmn_fx.errors import AuthorError
from gmn_fx.ir.program import Binding, Program
from gmn_fx.ir.text import parse_program
from gmn_fx.ir.verify import verify_program

aten = torch.ops.aten

GOOD = """
program "m" {
  %x = input "x" : f32[2]
  %c = constant "c" : f32[2] = [1.0, 2.0]
  %0 = aten.add.Tensor(%x, %c) : f32[2]
  return %0 as "output"
}
"""


def _call(program: Program) -> fx.Node:
    return next(n for n in program.graph.nodes if n.op == "call_function")


def _output(program: Program) -> fx.Node:
    return next(n for n in program.graph.nodes if n.op == "output")


def _in_place(program: Program) -> None:
    _call(program).target = aten.add_.Tensor


def _python(program: Program) -> None:
    _call(program).target = torch.add


def _no_value(program: Program) -> None:
    del _call(program).meta["val"]


def _real_value(program: Program) -> None:
    _call(program).meta["val"] = [torch.zeros(2)]


def _unbound(program: Program) -> None:
    del program.bindings["x"]


def _no_placeholder(program: Program) -> None:
    program.bindings["y"] = Binding("input", "y")


def _order(program: Program) -> None:
    program.bindings = dict(reversed(program.bindings.items()))


def _wrong_constant(program: Program) -> None:
    program.constants["x"] = torch.zeros(2)


def _no_tuple(program: Program) -> None:
    _output(program).args = (_call(program),)


def _not_tensor(program: Program) -> None:
    _output(program).args = ((_call(program), 3),)


def _names(program: Program) -> None:
    program.outputs = ("a", "b")


def _no_output(program: Program) -> None:
    program.graph.erase_node(_output(program))


def _method(program: Program) -> None:
    with program.graph.inserting_before(_output(program)):
        node = program.graph.call_method("relu", (_call(program),))
    node.meta["val"] = torch.empty(2, device="meta")


def _argument(program: Program) -> None:
    _call(program).args = (*_call(program).args, object)


def _lint(program: Program) -> None:
    next(iter(program.graph.nodes)).append(_call(program))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_in_place, "aten.add_.Tensor writes to its inputs: %0 = aten.add_.Tensor(%x, %c)"),
        (_python, "!torch.add is neither an ATen overload nor an op of gmn_fx.ir.ops"),
        (_no_value, "there is no meta['val']: %0 = aten.add.Tensor(%x, %c) : ?"),
        (_real_value, "meta['val'] is not on the meta device"),
        (_unbound, "placeholder x is not bound"),
        (_no_placeholder, "the binding y has no placeholder"),
        (_order, "the bindings are not in the order of the placeholders"),
        (_wrong_constant, "x has a constant value but is bound to neither a constant nor a buffer"),
        (_no_tuple, "the output is Node, not a flat tuple of tensors"),
        (_not_tensor, "output 1 is not a tensor: 3"),
        (_names, "1 outputs have 2 names"),
        (_no_output, "it has 0 output nodes, not one"),
        (_method, "call_method is no operation of a program: %1 = !call_method.relu(%0)"),
        (_argument, "an argument of type type has no text form"),
        (_lint, "fx.Graph.lint: "),
    ],
)
def test_each_rule(spoil: Callable[[Program], None], message: str) -> None:
    program = parse_program(GOOD)
    verify_program(program)
    spoil(program)
    with pytest.raises(AuthorError) as caught:
        verify_program(program)
    assert message in str(caught.value)
    assert "hint: see gmn_fx.ir.verify" in str(caught.value)


def test_many_problems_are_counted() -> None:
    program = parse_program(GOOD)
    program.bindings.update({f"b{i}": Binding("input", "") for i in range(20)})
    with pytest.raises(AuthorError, match="and 12 more"):
        verify_program(program)


def test_results_of_several_tensors_are_fine() -> None:
    verify_program(
        parse_program(
            'program "m" {\n  %x = input "x" : f32[2]\n'
            "  %0 = aten.split.Tensor(%x, 1) : [f32[1], f32[1]]\n"
            "  %1 = getitem(%0, 1) : f32[1]\n  return %1\n}\n"
        )
    )
