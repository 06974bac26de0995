"""Text cases: `before`, `// RUN: passes`, `after`; cases are separated by `// -----`.

Besides comparing the text, a case checks the contract of passes: what they are given does not
change, `changed` is true, a second application changes nothing, the result is valid, and programs
compute the same as before on random values (unless the pass says that it leaves things out).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from gmn_fx.graph.model import ParameterGraph
from gmn_fx.ir.edit import infer
from gmn_fx.ir.program import Program
from gmn_fx.ir.text import parse_program, print_program
from gmn_fx.ir.verify import verify_program
from gmn_fx.registry.discovery import load_registry
from gmn_fx.registry.passes import Pass
from gmn_fx.registry.spec import parse_spec

SEPARATOR = re.compile(r"^// -----\n", re.M)
RUN = re.compile(r"^// RUN: (.*)\n", re.M)


@dataclass(frozen=True)
class Case:
    """One case of a file. head: comment lines above the text."""

    head: str
    before: str
    spec: str
    after: str

    @staticmethod
    def parse(text: str) -> Case:
        before, spec, after = RUN.split(text.strip() + "\n")
        lines = before.strip().split("\n")
        first = next(i for i, line in enumerate(lines) if line and not line.startswith("//"))
        head = "".join(f"{line}\n" for line in lines[:first])
        return Case(head, "\n".join(lines[first:]) + "\n", spec.strip(), after.strip() + "\n")

    def text(self, after: str) -> str:
        return f"{self.head}{self.before}// RUN: {self.spec}\n{after}"


class TextFile(pytest.File):
    """A file of cases."""

    def collect(self) -> Iterator[TextCase]:
        for number, text in enumerate(SEPARATOR.split(self.path.read_text())):
            case = Case.parse(text)
            title = case.head.removeprefix("//").strip().split("\n")[0] or case.spec
            name = re.sub(r"\W+", "-", title).strip("-").lower()
            yield TextCase.from_parent(self, name=f"{number}-{name}", number=number, case=case)


class TextCase(pytest.Item):
    """One case."""

    def __init__(self, number: int, case: Case, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number
        self.case = case

    def runtest(self) -> None:
        printed = transform(self.case.before, self.case.spec)
        if self.config.getoption("--update-goldens"):
            update_case(self.path, self.number, self.case.text(printed))
        else:
            compare(printed, self.case.after)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if isinstance(excinfo.value, AssertionError):
            return f"{self.path.name}, case {self.number}: {excinfo.value}"
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


def compare(printed: str, expected: str) -> None:
    """Fail with a diff and the way to accept it."""
    if printed != expected:
        diff = difflib.unified_diff(
            expected.splitlines(), printed.splitlines(), "expected", "printed", lineterm=""
        )
        text = "\n".join(diff)
        raise AssertionError(f"the text differs\n{text}\naccept it with --update-goldens")


def update_case(path: Path, number: int, text: str) -> None:
    """Replace case `number` of the file by `text`."""
    parts = SEPARATOR.split(path.read_text())
    parts[number] = text if number == len(parts) - 1 else text.rstrip("\n") + "\n\n"
    if number > 0 and not parts[number].startswith("\n"):
        parts[number] = "\n" + parts[number]
    path.write_text("// -----\n".join(parts))


def transform(before: str, spec: str) -> str:
    """The text after the passes of `spec`, each of which must keep its contract."""
    ir = parse(before)
    for step in parse_spec(spec, load_registry()):
        ir = applied(step, ir)
    return show(ir)


def parse(text: str) -> Program | ParameterGraph:
    return parse_program(text) if text.startswith("program") else ParameterGraph.parse(text)


def show(ir: Program | ParameterGraph) -> str:
    return print_program(ir) if isinstance(ir, Program) else ir.to_text()


def applied(step: Pass, ir: Any) -> Any:
    """What `step` makes of `ir`, with the contract of passes checked."""
    before = show(ir)
    result = step.apply(ir)
    assert show(ir) == before, f"{step.name} changed what it was given"
    after = show(result.ir)
    assert result.changed == (after != before), f"{step.name} says changed={result.changed}"
    assert result.changed or result.ir is ir, f"{step.name} copied what it did not change"
    again = step.apply(result.ir)
    assert not again.changed, f"{step.name} is not idempotent:\n{after}\n{show(again.ir)}"
    assert show(parse(after)) == after, f"the text does not parse back:\n{after}"
    if isinstance(ir, Program):
        verify_program(result.ir)
        check_types(result.ir)
        if step.keeps_meaning:
            check_meaning(ir, result.ir)
    else:
        result.ir.verify()
    return result.ir


def check_types(program: Program) -> None:
    """What every node says of its tensor is what its op makes.

    Ops with several results are left out: the statistics that they save depend on the device.
    """
    for node in program.graph.nodes:
        if node.op == "call_function" and isinstance(node.meta["val"], torch.Tensor):
            made = infer(node.target, node.args, node.kwargs)
            says = node.meta["val"]
            assert (made.shape, made.dtype) == (says.shape, says.dtype), node.format_node()


def check_meaning(before: Program, after: Program) -> None:
    """Both compute the same on random values."""
    values = random_values(before)
    for left, right in zip(before.run(values), after.run(values), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5, equal_nan=True)


def random_values(program: Program) -> dict[str, torch.Tensor]:
    """A tensor for each placeholder; positive where the name says that it is a variance."""
    generator = torch.Generator().manual_seed(0)
    values = {}
    for node in program.graph.nodes:
        if node.op != "placeholder":
            continue
        val = node.meta["val"]
        if val.dtype == torch.bool:
            made = torch.rand(val.shape, generator=generator) > 0.5
            # No row of a mask may be empty: what attention does there is not defined.
            made[..., 0] = True
        elif val.is_floating_point():
            made = torch.randn(val.shape, generator=generator).to(val.dtype)
        else:
            made = torch.randint(0, 2, val.shape, generator=generator).to(val.dtype)
        positive = "var" in program.bindings[node.name].name
        values[node.name] = program.constants.get(node.name, made.abs() + 0.1 if positive else made)
    return values
