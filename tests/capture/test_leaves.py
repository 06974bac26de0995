"""Modules and functions with a user's rule stay one node each, in every rung."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gmn_fx.capture import RUNGS, capture
from gmn_fx.capture.leaves import leaf_class
from gmn_fx.ir import ops
from tests.capture.helpers import assert_untouched, fingerprint, run_program, targets


def swish(x, scale=2.0):
    return x * torch.sigmoid(scale * x)


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(4))
        self.register_buffer("shift", torch.ones(4))

    def forward(self, x, power=1):
        return (x * self.w + self.shift) ** power


class Twins(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(4, 4)

    def forward(self, x):
        return self.l(x), self.l(-x)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.g, self.t = nn.Linear(4, 4), Gate(), Twins()

    def forward(self, x):
        left, right = self.t(self.g(swish(self.a(x)), power=2))
        return F.gelu(left + self.g(right))


def leaves(program):
    return [n for n in program.graph.nodes if n.target is ops.leaf]


@pytest.mark.parametrize("rung", [r for r in RUNGS if r != "symbolic"])
def test_leaves_are_single_nodes(rung):
    model = Net().eval()
    x = torch.randn(3, 4)
    before = fingerprint(model)
    program = capture(model, (x,), rung=rung, leaves=(Gate, Twins, swish, F.gelu))
    assert_untouched(before, model)
    assert [n.args[0] for n in leaves(program)] == [
        "tests.capture.test_leaves.swish", "g", "t", "g",
    ]  # fmt: skip
    function, gate, twins, again = leaves(program)
    assert function.meta["leaf"]["fn"] is swish
    assert function.meta["leaf"]["module"] is None
    assert gate.meta["leaf"]["module"] is model.g
    assert gate.meta["leaf"]["params"] == {"w": 0, "shift": 1}
    assert [getattr(a, "name", a) for a in gate.args[1:3]] == ["p_g_w", "b_g_shift"]
    assert gate.args[4:] == (2,)
    assert gate.meta["module"] == "g"
    assert gate.meta["module_class"].endswith("Gate")
    assert isinstance(twins.meta["val"], tuple)
    assert isinstance(again.meta["val"], torch.Tensor)
    assert [t for t in targets(program) if "linear" in t] == ["aten.linear.default"]
    with torch.no_grad(), ops.leaf_table(ops.leaves_of(program.graph)):
        [out] = run_program(program, model, {"x": x})
        torch.testing.assert_close(out, model(x))


def test_the_rule_of_a_base_class_ends_at_the_owner_of_forward():
    class Own(Gate):
        def forward(self, x, power=1):
            return x

    class Same(Gate):
        pass

    assert leaf_class(Same(), [Gate]) is Gate
    assert leaf_class(Own(), [Gate]) is None
    assert leaf_class(Own(), [Own]) is Own


def test_functions_are_put_back():
    capture(Net().eval(), (torch.randn(3, 4),), leaves=(swish,))
    assert swish.__module__ == __name__ or swish.__name__ == "swish"
    assert not hasattr(swish, "__wrapped__")
    assert Net.forward.__globals__["swish"] is swish


def test_a_root_leaf():
    program = capture(Gate(), (torch.randn(3, 4),), leaves=(Gate,))
    [node] = leaves(program)
    assert node.args[0] == "Gate"
    assert program.outputs == ("output",)
