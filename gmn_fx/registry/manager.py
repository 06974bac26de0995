"""The pass manager: order, contract, verification, times and reproducers."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gmn_fx.errors import AuthorError, FileError, GmnError, InternalError, PassError, UsageError
from gmn_fx.ir.program import Program
from gmn_fx.ir.verify import verify_program
from gmn_fx.registry.build import Build, BuildStep, with_build
from gmn_fx.registry.contract import Snapshot, check_order, check_result, properties_after
from gmn_fx.registry.passes import IR, Pass
from gmn_fx.registry.registry import Registry
from gmn_fx.registry.reproducer import reproducer_text, rerun_command, write_reproducer
from gmn_fx.registry.spec import parse_spec, print_spec

DEFAULT_PIPELINE = "exact"
After = Callable[[str, IR, float, bool], None]
Verify = Callable[[IR], None]


def resolve_passes(passes: str | Iterable[Pass] | None, registry: Registry) -> tuple[Pass, ...]:
    """The passes that a caller means: a specification, the passes themselves, or the default."""
    if passes is None:
        return parse_spec(DEFAULT_PIPELINE, registry)
    if isinstance(passes, str):
        return parse_spec(passes, registry)
    found = tuple(passes)
    wrong = [p for p in found if not isinstance(p, Pass)]
    if wrong:
        raise UsageError(
            f"passes holds {wrong[0]!r}, which is not a pass",
            hint="give instances of gmn_fx.Pass, or a specification such as 'a,b{x=1}'",
        )
    return found


def resolve_style(
    style: str | None, passes: str | Iterable[Pass] | None, registry: Registry
) -> tuple[Pass, ...]:
    """The passes of a style, which is the name of a pipeline; `passes` is the other way to say it.

    Raises `UsageError` when both are given, or when no pipeline has that name.
    """
    if style is None:
        return resolve_passes(passes, registry)
    if passes is not None:
        raise UsageError(
            f"style {style!r} and passes were both given",
            hint="a style is a pipeline: leave out one of the two, or name it in the passes",
        )
    if style not in registry.pipelines:
        near = difflib.get_close_matches(style, registry.pipelines, 1, 0.5)
        raise UsageError(
            f"unknown style {style!r}" + (f" (near: {near[0]})" if near else ""),
            hint=f"one of {', '.join(sorted(registry.pipelines))}",
        )
    return parse_spec(style, registry)


def verify_ir(ir: IR) -> None:
    """Verify a program by the rules of programs, a graph by P1 to P7."""
    if isinstance(ir, Program):
        verify_program(ir)
    else:
        ir.verify()


def run_pipeline(
    ir: IR,
    passes: Sequence[Pass],
    *,
    build: BuildStep | None = None,
    registry: Registry | None = None,
    after: After | None = None,
    verify: Verify | None = None,
    reproducer: Path | None = None,
    command: str = "",
) -> IR:
    """Run `passes` over `ir` and return what the last one made.

    Before the first pass the order is checked (levels, `requires` against what is established);
    after each one its result, its honesty about `changed`, and the IR itself.

    Args:
        ir: a program (or a parameter graph, for graph passes alone).
        passes: the passes; `build` is added before the first graph pass if it is missing.
        build: makes the raw graph out of a program.
        registry: who owns which pass, for messages.
        after: called after each pass with its name, the new IR, its seconds and `changed`.
        verify: called on the IR after each pass; `verify_ir` by default.
        reproducer: file to write when a pass fails.
        command: the user's command line, for the reproducer.

    Raises:
        UsageError: the order does not hold.
        PassError: a pass failed or broke its contract; the cause is `__cause__`.
        GmnError: a user error that a pass found (an unsupported op) goes through as it is.
    """
    run = _Run(registry or Registry(), verify or verify_ir, reproducer, command)
    steps = with_build(ir, passes, build)
    check_order(ir, steps, run.registry)
    run.verify(ir)
    for p in steps:
        try:
            ir, seconds, changed = run.step(p, ir)
        except GmnError as error:
            if not isinstance(error, AuthorError | InternalError):
                run.explain(p, error)
                raise
            raise run.failure(p, ir, error) from error
        except Exception as error:
            raise run.failure(p, ir, error) from error
        run.done.append(p.name)
        if after is not None:
            after(p.name, ir, seconds, changed)
    return ir


@dataclass
class _Run:
    """One run of the manager, and what becomes of a failure in it."""

    registry: Registry
    verify: Verify
    reproducer: Path | None
    command: str
    done: list[str] = field(default_factory=list)
    # What a reproducer holds: the last program, and the passes since it.
    base: Program | None = None
    tail: list[Pass] = field(default_factory=list)

    def step(self, p: Pass, ir: IR) -> tuple[IR, float, bool]:
        """Run one pass; its IR with what it establishes, its seconds, whether it changed it."""
        if isinstance(ir, Program):
            self.base, self.tail = ir, []
        self.tail.append(p)
        snapshot = Snapshot(ir)
        began = time.perf_counter()
        returned = p.apply(ir)
        seconds = time.perf_counter() - began
        result = check_result(returned, p, self.owner(p))
        snapshot.check(result, p, self.owner(p))
        established = ir.established | result.ir.established | properties_after(p)
        new: IR = replace(result.ir, established=established)
        self.verify(new)
        return new, seconds, result.changed

    def owner(self, p: Pass) -> str:
        """Who answers for `p`."""
        return "gmn-fx" if isinstance(p, Build) else self.registry.owner(p.name)

    def failure(self, p: Pass, ir: IR, error: Exception) -> PassError:
        """The `PassError` for a pass that failed or broke its contract."""
        what = error.message if isinstance(error, GmnError) else str(error)
        kind = "" if isinstance(error, AuthorError) else f"{type(error).__name__}: "
        owner = self.owner(p)
        hint = getattr(error, "hint", "")
        failure = PassError(
            f"pass {p.name!r} of {owner} failed on {ir.name!r}: {kind}{what}",
            hint=hint or f"report it to {owner}; --reproducer FILE keeps what is needed",
        )
        failure.add_note(f"passes already run: {', '.join(self.done) or 'none'}")
        self._reproduce(p, error, failure)
        return failure

    def explain(self, p: Pass, error: GmnError) -> None:
        """Say in a user error which pass found it."""
        error.add_note(f"found by pass {p.name!r} of {self.owner(p)}")
        self._reproduce(p, error, error)

    def _reproduce(self, p: Pass, error: Exception, shown: Exception) -> None:
        """Write the reproducer and say so in `shown`; never hide the failure by another one."""
        if self.reproducer is None or self.base is None:
            return
        spec = print_spec(self.tail)
        text = reproducer_text(
            self.base, spec, failed=p.name, error=error, path=self.reproducer, command=self.command
        )
        try:
            write_reproducer(self.reproducer, text)
        except FileError as unwritable:
            shown.add_note(unwritable.message)
        else:
            shown.add_note(f"run it again: {rerun_command(self.reproducer)}")
