"""gmn-extract: any model file in, a verified parameter graph out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmn_fx.cli.common import (
    check_picture,
    check_writable,
    models_print_to_stderr,
    print_json,
    run,
    say,
)
from gmn_fx.cli.passes import check_names
from gmn_fx.cli.progress import Progress
from gmn_fx.cli.target import Target, open_target, target_options
from gmn_fx.errors import UsageError

if TYPE_CHECKING:
    from gmn_fx.graph import ParameterGraph
    from gmn_fx.symmetry import OracleReport

RUNGS = ("auto", "symbolic", "export", "concrete", "record")


@dataclass(frozen=True)
class Options:
    """What gmn-extract was asked for, beyond the target."""

    out: Path
    svg: Path | None
    meta: bool
    capture: str
    style: str | None
    passes: str | None
    print_after: tuple[str, ...]
    time_passes: bool
    reproducer: Path | None
    on_unsupported: str
    dense: bool
    verify: bool
    seed: int
    as_json: bool
    quiet: bool


@click.command("gmn-extract")
@click.argument("target", required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("graph.pt"), show_default=True,
    help="Where the graph goes.",
)  # fmt: skip
@target_options
@click.option("--meta", is_flag=True, help="Structure only: build the model without weights.")
@click.option(
    "--capture", type=click.Choice(RUNGS), default="auto", show_default=True,
    help="One rung of the capture ladder, or all in turn.",
)  # fmt: skip
@click.option(
    "--style", metavar="NAME",
    help='Which graph: "exact" (the default), or "paper", the construction of Lim et al.',
)  # fmt: skip
@click.option("--passes", metavar="SPEC", help='In place of a style: passes, e.g. "a,b{x=1}".')
@click.option(
    "--print-after",
    multiple=True,
    metavar="all|NAME",
    help="Print the IR after passes. Repeatable.",
)
@click.option("--time-passes", is_flag=True, help="Print the seconds of every pass.")
@click.option(
    "--reproducer", type=click.Path(path_type=Path), metavar="FILE",
    help="Where a failing pass leaves a file that runs the failure again.",
)  # fmt: skip
@click.option("--list-passes", is_flag=True, help="List passes and pipelines, then stop.")
@click.option(
    "--on-unsupported", type=click.Choice(("error", "opaque")), default="error",
    show_default=True, help="Ops without a lowering rule: fail, or keep them conservatively.",
)  # fmt: skip
@click.option("--dense", is_flag=True, help="Add the materialised arrays to the file.")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FILE", help="Draw it, too.")
@click.option("--verify", is_flag=True, help="Run the oracle before anything is written.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.version_option(package_name="gmn-fx")
def extract(
    target: str | None,
    list_passes: bool,
    entry: str | None,
    weights: Path | None,
    inputs: tuple[str, ...],
    **rest: Any,
) -> int:
    """Extract the parameter graph of TARGET.

    TARGET is a model.py, a package.module:attribute, or a .pt2 exported program.
    """
    options = Options(**rest)
    if list_passes:
        return print_passes(target, entry)
    if target is None:
        raise UsageError("TARGET is missing", hint="gmn-extract model.py --out graph.pt")
    if options.verify and options.meta:
        raise UsageError("--verify needs weights, --meta has none", hint="leave out one of the two")
    for path in (options.out, options.svg, options.reproducer):
        check_writable(path)
    if options.svg is not None:
        check_picture(options.svg)
    with Progress(quiet=options.quiet) as progress:
        progress(f"load {target}")
        opened = open_target(
            target, entry=entry, weights=weights, inputs=inputs, seed=options.seed,
            meta=options.meta, quiet=options.quiet,
        )  # fmt: skip
        graph = _extract(opened, options, progress)
        oracle = _prove(opened, graph, options, progress)
        graph = graph if oracle is None else oracle.mark(graph)
        progress(f"write {options.out}")
        graph.save(options.out, dense=options.dense)
        drawn = _draw(graph, options, progress)
    _report(graph, options, oracle, drawn)
    return 0


def print_passes(target: str | None, entry: str | None) -> int:
    """The table of `--list-passes`; passes of TARGET's own plug-in are among them."""
    from gmn_fx.cli.passes import print_passes as show

    plugins: tuple[Any, ...] = ()
    if target is not None:
        from gmn_fx.capture import load_target

        plugins = tuple(load_target(target, entry).plugins)
    show(plugins)
    return 0


def _extract(target: Target, options: Options, progress: Progress) -> ParameterGraph:
    import gmn_fx

    if options.print_after:
        check_names(options.print_after, target.plugins)
    known: list[str] = []
    hooks = gmn_fx.Hooks(
        stage=progress,
        captured=lambda program: _captured(program, options, known),
        after=_after(options, progress),
        reproducer=options.reproducer,
        command=shlex.join(["gmn-extract", *sys.argv[1:]]),
    )
    with models_print_to_stderr():
        graph = gmn_fx.extract(
            target.model,
            target.args,
            target.kwargs,
            capture=options.capture,
            style=options.style,
            passes=options.passes,
            on_unsupported=options.on_unsupported,
            plugins=target.plugins,
            name=target.name,
            hooks=hooks,
        )
    for note in graph.notes:
        if note not in known:  # what passes had to say
            say(f"note: {note}", quiet=options.quiet)
    return graph


def _captured(program: Any, options: Options, known: list[str]) -> None:
    say(f"capture: {program.rung}", quiet=options.quiet)
    for note in program.notes:
        say(f"note: {note}", quiet=options.quiet)
        known.append(note)


def _after(options: Options, progress: Progress) -> Callable[[str, Any, float, bool], None]:
    """The hook behind --print-after and --time-passes."""
    from gmn_fx.ir.program import Program
    from gmn_fx.ir.text import print_program

    wanted, out = set(options.print_after), sys.stdout

    def after(name: str, ir: Any, seconds: float, changed: bool) -> None:
        if options.time_passes:
            progress.pause()
            state = "changed" if changed else "unchanged"
            click.echo(f"{name:<28} {1000 * seconds:10.1f} ms  {state}", err=True)
        if name in wanted or "all" in wanted:
            progress.pause()
            text = print_program(ir) if isinstance(ir, Program) else ir.to_text()
            click.echo(f"// after {name}\n{text}", file=out)

    return after


def _prove(
    target: Target, graph: ParameterGraph, options: Options, progress: Progress
) -> OracleReport | None:
    if not options.verify:
        return None
    import gmn_fx

    progress("oracle")
    with models_print_to_stderr():
        report = gmn_fx.verify(target.model, graph, target.args, target.kwargs)
    if not report.ok:
        progress.pause()
        click.echo(str(report))
    return report.raise_if_failed()


def _draw(graph: ParameterGraph, options: Options, progress: Progress) -> bool:
    """Draw last: without a renderer the graph itself is still written."""
    if options.svg is None:
        return False
    import gmn_fx

    progress(f"draw {options.svg}")
    try:
        gmn_fx.draw(graph, options.svg)
    except gmn_fx.DrawError as error:
        error.add_note(f"the graph itself is written: {options.out}")
        raise
    return True


def _report(
    graph: ParameterGraph, options: Options, oracle: OracleReport | None, drawn: bool
) -> None:
    from gmn_fx.cli import report

    if options.as_json:
        facts = {**report.summary(graph), "out": str(options.out)}
        if oracle is not None:
            facts["oracle"] = oracle.to_json()
        print_json(facts)
    elif not options.quiet:
        report.print_summary(graph)
        if oracle is not None:
            click.echo(str(oracle))
    say(f"wrote {options.out}", quiet=options.quiet)
    if drawn:
        say(f"wrote {options.svg}", quiet=options.quiet)


def main() -> None:
    """Entry point of gmn-extract."""
    sys.exit(run(extract))
