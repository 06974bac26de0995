"""Run a reproducer again: `python -m gmn_fx.registry FILE`.

The passes of installed plug-ins are known; a leaf module of a `model.py` has no module object in a
text, so its rule can only be reached with the model itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gmn_fx.errors import GmnError, UsageError
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.ir.program import Program
from gmn_fx.ir.text import print_program
from gmn_fx.registry.discovery import load_registry
from gmn_fx.registry.manager import run_pipeline
from gmn_fx.registry.passes import IR
from gmn_fx.registry.registry import Registry
from gmn_fx.registry.reproducer import load_reproducer
from gmn_fx.registry.spec import parse_spec


def run_reproducer(path: str, registry: Registry | None = None) -> IR:
    """What the reproducer at `path` makes, or the failure that it holds."""
    known = registry or load_registry()
    program, spec = load_reproducer(path)

    def build(ir: Program) -> ParameterGraph:
        # Here, not above: everything but the build step works without the lowering engine.
        from gmn_fx.lowering import build as lower

        return lower(ir, known.rules, explain=known.rules.describe_missing)

    return run_pipeline(program, parse_spec(spec, known), build=build, registry=known)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        if len(args) != 1:
            raise UsageError("one file is expected", hint="python -m gmn_fx.registry FILE")
        ir = run_reproducer(args[0])
    except GmnError as error:
        notes = "".join(f"\n  {note}" for note in getattr(error, "__notes__", ()))
        sys.stderr.write(f"error: {error.message}{notes}\n  hint: {error.hint}\n")
        return error.exit_code
    sys.stdout.write(print_program(ir) if isinstance(ir, Program) else str(ir))
    return 0
