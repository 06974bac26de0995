"""Small programs and passes for the tests of the registry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import fx

from gmn_fx.graph.model import ParameterGraph
from gmn_fx.ir.program import Program
from gmn_fx.ir.text import parse_program
from gmn_fx.registry import Pass, PassResult

TEXT = """
program "small" {
  %x = input "x" : f32[2]
  %0 = aten.relu.default(%x) : f32[2]  @ "act" torch.nn.modules.activation.ReLU "model.py:3"
  %1 = aten.neg.default(%0) : f32[2]
  return %1 as "output"
}
"""


def small() -> Program:
    return parse_program(TEXT)


def node_of(target: object, **meta: object) -> fx.Node:
    graph = fx.Graph()
    x = graph.placeholder("x")
    node = graph.call_function(target, (x,))
    node.meta.update(meta)
    return node


def respell(program: Program, old: object, new: object) -> Program:
    for node in program.graph.nodes:
        if node.target is old:
            node.target = new
    return program


@dataclass(frozen=True)
class ReluToTanh(Pass):
    """Make every relu a tanh."""

    name: ClassVar[str] = "relu-to-tanh"
    establishes: ClassVar[frozenset[str]] = frozenset({"smooth"})

    def apply(self, ir: Program) -> PassResult:
        aten = torch.ops.aten
        if not any(n.target is aten.relu.default for n in ir.graph.nodes):
            return PassResult(ir, changed=False)
        return PassResult(respell(ir.copy(), aten.relu.default, aten.tanh.default), changed=True)


@dataclass(frozen=True)
class NeedsSmooth(Pass):
    """Do nothing, to smooth programs."""

    name: ClassVar[str] = "needs-smooth"
    requires: ClassVar[frozenset[str]] = frozenset({"smooth"})

    def apply(self, ir: Program) -> PassResult:
        return PassResult(ir, changed=False)


@dataclass(frozen=True)
class Rename(Pass):
    """Give a graph another name."""

    name: ClassVar[str] = "rename"
    level: ClassVar[Literal["program", "graph"]] = "graph"

    to: str = "renamed"

    def apply(self, ir: ParameterGraph) -> PassResult:
        return PassResult(replace(ir, name=self.to), changed=ir.name != self.to)


def empty_graph(program: Program) -> ParameterGraph:
    return ParameterGraph(program.name, (), (), ())
