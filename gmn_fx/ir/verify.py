"""The rules that every `Program` keeps, whatever capture rung or pass made it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import fx

from gmn_fx.errors import AuthorError, TextError
from gmn_fx.ir.program import Program
from gmn_fx.ir.spelling import gmn_ops, literal_text, target_text
from gmn_fx.ir.text import print_node

_SHOWN = 8


def verify_program(program: Program) -> None:
    """Raise `AuthorError` with every rule that `program` breaks.

    - the graph is well-formed: `fx.Graph.lint`, exactly one output node at the end;
    - nodes are placeholders, calls of functional ATen overloads, of `gmn_fx.ir.ops` and of
      `operator.getitem`, and the output; no op writes to its inputs;
    - every node has `meta["val"]`, and tensors in it are on the meta device;
    - placeholders and `bindings` name each other, in the same order;
    - the outputs are tensors, in one flat tuple, and have a name each.
    """
    problems = list(_problems(program))
    if not problems:
        return
    shown = "".join(f"\n  {problem}" for problem in problems[:_SHOWN])
    rest = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    raise AuthorError(
        f"the program {program.name!r} is not valid:{shown}{rest}",
        hint="see gmn_fx.ir.verify.verify_program for the rules of a program",
    )


def _problems(program: Program) -> Iterator[str]:
    outputs = [node for node in program.graph.nodes if node.op == "output"]
    if len(outputs) != 1:
        yield f"it has {len(outputs)} output nodes, not one"
        return
    try:
        program.graph.lint()
    except Exception as error:  # lint raises whatever it finds
        yield f"fx.Graph.lint: {error}"
        return
    own = frozenset(gmn_ops().values())
    for node in program.graph.nodes:
        problem = _op_problem(node, own) or _value_problem(node) or _argument_problem(node)
        if problem:
            yield f"{problem}: {_show(node, program)}"
    yield from _binding_problems(program)
    yield from _output_problems(program, outputs[0])


def _op_problem(node: fx.Node, own: frozenset[Callable[..., Any]]) -> str:
    if node.op in ("placeholder", "output"):
        return ""
    if node.op != "call_function":
        return f"{node.op} is no operation of a program"
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        return f"{target} writes to its inputs" if target._schema.is_mutable else ""
    if target is operator.getitem or target in own:
        return ""
    return f"{target_text(target)} is neither an ATen overload nor an op of gmn_fx.ir.ops"


def _value_problem(node: fx.Node) -> str:
    if node.op == "output":
        return ""
    if "val" not in node.meta:
        return "there is no meta['val']"
    if any(not tensor.is_meta for tensor in _tensors(node.meta["val"])):
        return "meta['val'] is not on the meta device"
    return ""


def _argument_problem(node: fx.Node) -> str:
    def check(arg: Any) -> Any:
        return arg if isinstance(arg, fx.Node) else literal_text(arg)

    try:
        fx.node.map_aggregate((node.args, node.kwargs), check)
    except TextError as error:
        return error.message
    return ""


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)


def _binding_problems(program: Program) -> Iterator[str]:
    names = [node.name for node in program.graph.nodes if node.op == "placeholder"]
    bound = list(program.bindings)
    for name in sorted(set(names) - set(bound)):
        yield f"placeholder {name} is not bound"
    for name in sorted(set(bound) - set(names)):
        yield f"the binding {name} has no placeholder"
    if set(names) == set(bound) and names != bound:
        yield "the bindings are not in the order of the placeholders"
    for name in sorted(program.constants):
        if name not in bound or program.bindings[name].kind not in ("constant", "buffer"):
            yield f"{name} has a constant value but is bound to neither a constant nor a buffer"


def _output_problems(program: Program, output: fx.Node) -> Iterator[str]:
    values = output.args[0] if output.args else None
    if not isinstance(values, tuple):
        yield f"the output is {type(values).__name__}, not a flat tuple of tensors"
        return
    for index, value in enumerate(values):
        if not isinstance(value, fx.Node) or not isinstance(
            value.meta.get("val", _MISSING), torch.Tensor
        ):
            yield f"output {index} is not a tensor: {value}"
    if program.outputs and len(program.outputs) != len(values):
        yield f"{len(values)} outputs have {len(program.outputs)} names"


_MISSING = torch.empty(0, device="meta")
"""A value that is missing altogether has been reported at its node already."""


def _show(node: fx.Node, program: Program) -> str:
    # A node so broken that it does not print shall still be reported by name.
    try:
        return print_node(node, program)
    except Exception as error:
        return f"{node.name} ({error})"
