"""The manager: order, contract, failures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from gmn_fx.errors import (
    AuthorError,
    GmnError,
    GraphError,
    PassError,
    UnsupportedOpError,
    UsageError,
)
from gmn_fx.graph.model import Group, ParameterGraph
from gmn_fx.ir.program import Program
from gmn_fx.ir.text import print_program
from gmn_fx.registry import (
    IR,
    Build,
    Pass,
    PassResult,
    Plugin,
    Registry,
    load_reproducer,
    merge_plugins,
    run_pipeline,
    run_reproducer,
)
from tests.registry.programs import (
    TEXT,
    NeedsSmooth,
    ReluToTanh,
    Rename,
    empty_graph,
    respell,
    small,
)

aten = torch.ops.aten


def _nothing(_: IR) -> None:
    return None


@dataclass(frozen=True)
class Scripted(Pass):
    """Do what a test says."""

    name: ClassVar[str] = "scripted"

    do: Callable[[Any], Any] = lambda ir: PassResult(ir, changed=False)

    def apply(self, ir: Any) -> PassResult:
        result: PassResult = self.do(ir)
        return result


@dataclass(frozen=True)
class ScriptedGraph(Scripted):
    """Do what a test says, to a graph."""

    name: ClassVar[str] = "scripted-graph"
    level: ClassVar[Any] = "graph"


def _registry() -> Registry:
    plugin = Plugin("acme")
    for cls in (ReluToTanh, NeedsSmooth, Rename, Scripted):
        plugin.register_pass(cls)
    return merge_plugins([plugin])


def _run(ir: IR, *passes: Pass, **options: Any) -> IR:
    options = {"registry": _registry(), "build": empty_graph, "verify": _nothing, **options}
    return run_pipeline(ir, passes, **options)


def test_runs_in_order_and_tells() -> None:
    told: list[tuple[str, type, bool]] = []

    def after(name: str, ir: IR, seconds: float, changed: bool) -> None:
        assert seconds >= 0
        told.append((name, type(ir), changed))

    program = small()
    graph = _run(program, ReluToTanh(), NeedsSmooth(), Rename("g"), after=after)
    assert told == [
        ("relu-to-tanh", Program, True),
        ("needs-smooth", Program, False),
        ("build", ParameterGraph, True),
        ("rename", ParameterGraph, True),
    ]
    assert isinstance(graph, ParameterGraph)
    assert graph.name == "g"
    assert graph.established == {"relu-to-tanh", "smooth", "needs-smooth", "build", "rename"}
    assert print_program(program).strip() == TEXT.strip()
    assert program.established == frozenset()


def test_program_passes_alone_give_a_program() -> None:
    assert isinstance(_run(small(), ReluToTanh()), Program)
    assert _run(small()) is not None


def test_build_stands_where_it_is_named() -> None:
    graph = _run(small(), ReluToTanh(), Build())
    assert isinstance(graph, ParameterGraph)


def test_graph_passes_run_on_a_graph() -> None:
    graph = _run(empty_graph(small()), Rename("z"), build=None)
    assert graph.name == "z"


@pytest.mark.parametrize(
    ("passes", "message"),
    [
        (
            (NeedsSmooth(),),
            "pass 'needs-smooth' cannot stand here: it requires 'smooth', "
            "which is established by 'relu-to-tanh'\n  hint: passes before it: none",
        ),
        ((NeedsSmooth(), ReluToTanh()), "hint: move relu-to-tanh before needs-smooth"),
        (
            (Rename(), ReluToTanh()),
            "pass 'relu-to-tanh' works on a program, but after 'rename' there is a graph",
        ),
        ((Build(), Build()), "pass 'build' works on a program, but after 'build' there is a graph"),
    ],
)
def test_orders_that_do_not_hold(passes: tuple[Pass, ...], message: str) -> None:
    ran: list[str] = []
    with pytest.raises(UsageError) as caught:
        _run(small(), *passes, after=lambda name, *_: ran.append(name))
    assert message in str(caught.value)
    assert ran == []


def test_unknown_property_and_named_pass() -> None:
    @dataclass(frozen=True)
    class Odd(NeedsSmooth):
        """Require what nobody establishes."""

        requires: ClassVar[frozenset[str]] = frozenset({"magic", "scripted"})

    with pytest.raises(UsageError) as caught:
        _run(small(), Odd())
    assert "'magic', which no known pass establishes and the pass 'scripted'" in str(caught.value)


def test_what_is_established_already_counts() -> None:
    program = replace(small(), established=frozenset({"smooth"}))
    assert _run(program, NeedsSmooth()).established >= {"smooth", "needs-smooth"}


def test_graph_passes_need_a_build() -> None:
    with pytest.raises(UsageError, match="nothing to build a graph with"):
        _run(small(), Rename(), build=None)


def _in_place(ir: Program) -> PassResult:
    return PassResult(respell(ir, aten.relu.default, aten.tanh.default), changed=True)


def _lie(ir: Program) -> PassResult:
    return PassResult(respell(ir.copy(), aten.relu.default, aten.tanh.default), changed=False)


def _constant_lie(ir: Program) -> PassResult:
    return PassResult(replace(ir, constants={"x": torch.ones(99)}), changed=False)


def _crash(ir: Program) -> PassResult:
    raise KeyError("oops")


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (_in_place, "pass 'scripted' of acme changed the program that it was given"),
        (_lie, "pass 'scripted' of acme says that it changed nothing, but it did"),
        (_constant_lie, "says that it changed nothing, but it did"),
        (lambda ir: ir, "pass 'scripted' of acme returned Program, not a PassResult"),
        (lambda ir: PassResult(empty_graph(ir), changed=True), "returned a ParameterGraph where a"),
        (_crash, "pass 'scripted' of acme failed on 'small': KeyError: 'oops'"),
    ],
)
def test_broken_contracts_of_program_passes(do: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(PassError) as caught:
        _run(small(), ReluToTanh(), NeedsSmooth(), _undo(), Scripted(do))
    assert message in str(caught.value)
    assert caught.value.__notes__ == ["passes already run: relu-to-tanh, needs-smooth, undo"]
    assert caught.value.__cause__ is not None


def _undo() -> Pass:
    @dataclass(frozen=True)
    class Undo(Scripted):
        """Make every tanh a relu."""

        name: ClassVar[str] = "undo"

    return Undo(
        lambda ir: PassResult(
            respell(ir.copy(), aten.tanh.default, aten.relu.default), changed=True
        )
    )


def _graph_in_place(ir: ParameterGraph) -> PassResult:
    ir.groups = (Group("neuron", "linear", 0, 1),)
    return PassResult(ir, changed=False)


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (_graph_in_place, "pass 'scripted-graph' of unregistered changed the graph"),
        (
            lambda g: PassResult(replace(g, groups=(Group("sum", "", 0, 1),)), changed=False),
            "says that it changed nothing",
        ),
        (lambda g: PassResult(replace(g, values={"w": torch.ones(1)}), False), "says that it"),
        (lambda g: PassResult(small(), changed=True), "returned a Program where a ParameterGraph"),
    ],
)
def test_broken_contracts_of_graph_passes(do: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(PassError) as caught:
        _run(small(), ScriptedGraph(do))
    assert message in str(caught.value)


def test_an_equal_copy_is_unchanged() -> None:
    _run(small(), Scripted(lambda ir: PassResult(ir.copy(), changed=False)))
    _run(small(), ScriptedGraph(lambda g: PassResult(replace(g), changed=False)))


def test_verifies_before_and_after_each_pass() -> None:
    seen: list[str] = []
    _run(small(), ReluToTanh(), Rename("n"), verify=lambda ir: seen.append(ir.name))
    assert seen == ["small", "small", "small", "n"]


def test_verification_is_on_by_default() -> None:
    def spoil(ir: Program) -> PassResult:
        return PassResult(respell(ir.copy(), aten.relu.default, torch.relu), changed=True)

    with pytest.raises(PassError, match=r"!torch.relu is neither an ATen overload"):
        _run(small(), Scripted(spoil), verify=None)
    broken = small()
    broken.bindings.clear()
    with pytest.raises(AuthorError, match="placeholder x is not bound"):
        _run(broken, ReluToTanh(), verify=None)


@pytest.mark.parametrize("kind", [UnsupportedOpError, GraphError])
def test_user_errors_go_through(kind: type[GmnError], tmp_path: Path) -> None:
    def refuse(_: Program) -> ParameterGraph:
        raise kind("no rule", hint="write one")

    with pytest.raises(kind) as caught:
        _run(small(), ReluToTanh(), Rename(), build=refuse, reproducer=tmp_path / "r.txt")
    assert caught.value.message == "no rule"
    assert caught.value.__notes__[0] == "found by pass 'build' of gmn-fx"
    assert caught.value.__notes__[1].startswith("run it again: python -m gmn_fx.registry ")
    program, spec = load_reproducer(tmp_path / "r.txt")
    assert spec == "build"
    assert "tanh" in print_program(program)


def test_interrupts_are_not_wrapped() -> None:
    def stop(_: Program) -> PassResult:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(small(), Scripted(stop))


@dataclass(frozen=True)
class Fails(Pass):
    """Fail while there is a tanh."""

    name: ClassVar[str] = "fails"

    why: str = "because"

    def apply(self, ir: Program) -> PassResult:
        if any(n.target is aten.tanh.default for n in ir.graph.nodes):
            raise ValueError(self.why)
        return PassResult(ir, changed=False)


def _with_fails() -> Registry:
    plugin = Plugin("acme")
    for cls in (ReluToTanh, Fails):
        plugin.register_pass(cls)
    return merge_plugins([plugin])


def test_reproducer_runs_the_failure_again(tmp_path: Path) -> None:
    path, registry = tmp_path / "fail ure.txt", _with_fails()
    with pytest.raises(PassError) as caught:
        _run(
            small(), ReluToTanh(), Fails(why="two\nlines"), registry=registry,
            reproducer=path, command="gmn-extract model.py",
        )  # fmt: skip
    assert caught.value.__notes__[1] == f"run it again: python -m gmn_fx.registry '{path}'"
    lines = path.read_text().splitlines()
    assert lines[:5] == [
        '// gmn-fx reproducer: pass "fails" failed',
        "// error: ValueError: two lines",
        "// command: gmn-extract model.py",
        '// passes: fails{why="two\\nlines"}',
        f"// rerun: python -m gmn_fx.registry '{path}'",
    ]
    with pytest.raises(PassError, match="ValueError: two\nlines"):
        run_reproducer(str(path), registry)
    assert [p.name for p in tmp_path.iterdir()] == ["fail ure.txt"]


def test_reproducer_of_a_graph_pass_starts_at_the_program(tmp_path: Path) -> None:
    def crash(_: Any) -> PassResult:
        raise ValueError

    path = tmp_path / "r.txt"
    with pytest.raises(PassError):
        _run(small(), ReluToTanh(), Rename("n"), ScriptedGraph(crash), reproducer=path)
    assert load_reproducer(path)[1].startswith('build,rename{to="n"},scripted-graph')


def test_unwritable_reproducer_does_not_hide_the_failure(tmp_path: Path) -> None:
    with pytest.raises(PassError) as caught:
        _run(small(), Scripted(_crash), reproducer=tmp_path / "no" / "r.txt")
    assert "KeyError" in str(caught.value)
    assert "cannot write the reproducer" in caught.value.__notes__[1]
