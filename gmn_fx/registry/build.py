"""The step between program passes and graph passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from gmn_fx.errors import InternalError, UsageError
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.ir.program import Program
from gmn_fx.registry.passes import IR, Level, Pass, PassResult

BuildStep = Callable[[Program], ParameterGraph]


@dataclass(frozen=True)
class Build(Pass):
    """Build the raw parameter graph out of the program, by the lowering rules.

    Every specification may name it (`canonicalise,build`); where it is missing before a graph
    pass the manager adds it. `step` does the work and is given by the caller of the manager.
    """

    name: ClassVar[str] = "build"
    level: ClassVar[Level] = "program"

    step: BuildStep | None = field(default=None, repr=False, compare=False)

    def apply(self, ir: Program) -> PassResult:
        """Run the step."""
        if self.step is None:
            raise InternalError("the build step was never given to the manager")
        graph = self.step(ir)
        return PassResult(graph, changed=True)


def with_build(ir: IR, passes: Sequence[Pass], step: BuildStep | None) -> tuple[Pass, ...]:
    """`passes` with the build step in its place: where it is named, or before the graph passes."""
    found = list(passes)
    if isinstance(ir, Program) and not any(isinstance(p, Build) for p in found):
        first = next((i for i, p in enumerate(found) if p.level == "graph"), None)
        if first is not None:
            found.insert(first, Build())
    if step is None and any(isinstance(p, Build) for p in found):
        raise UsageError(
            "the pipeline has graph passes, but nothing to build a graph with",
            hint="give run_pipeline(..., build=lambda program: gmn_fx.lowering.build(...))",
        )
    return tuple(replace(p, step=step) if isinstance(p, Build) else p for p in found)
