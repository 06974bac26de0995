"""gmn-verify: the oracle. Does this graph mean this network?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gmn_fx.cli.common import models_print_to_stderr, print_json, run
from gmn_fx.cli.progress import Progress
from gmn_fx.cli.target import Target, open_target, target_options
from gmn_fx.errors import UsageError

if TYPE_CHECKING:
    from gmn_fx.graph import ParameterGraph


@click.command("gmn-verify")
@click.argument("what", nargs=-1, metavar="[GRAPH] TARGET")
@target_options
@click.option(
    "--seeds", type=click.IntRange(min=1), default=3, show_default=True,
    help="How many random automorphisms.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.version_option(package_name="gmn-fx")
def verify(
    what: tuple[str, ...],
    entry: str | None,
    weights: Path | None,
    inputs: tuple[str, ...],
    seed: int,
    seeds: int,
    as_json: bool,
    quiet: bool,
) -> int:
    """Prove that GRAPH (a graph.pt) means the model TARGET.

    With TARGET alone the graph is extracted first.
    """
    import gmn_fx

    path, target = _split(what)
    with Progress(quiet=quiet) as progress:
        graph = None
        if path is not None:
            progress(f"load {path}")
            graph = gmn_fx.load(path)
        progress(f"load {target}")
        opened = open_target(
            target, entry=entry, weights=weights, inputs=inputs, seed=seed, quiet=quiet
        )
        with models_print_to_stderr():
            graph = graph or _extract(opened, progress)
            progress("oracle")
            report = gmn_fx.verify(opened.model, graph, opened.args, opened.kwargs, seeds=seeds)
    if as_json:
        print_json(report.to_json())
    elif not quiet:
        click.echo(str(report))
    report.raise_if_failed()
    return 0


def _extract(target: Target, progress: Progress) -> ParameterGraph:
    import gmn_fx

    return gmn_fx.extract(
        target.model,
        target.args,
        target.kwargs,
        plugins=target.plugins,
        name=target.name,
        hooks=gmn_fx.Hooks(stage=progress),
    )


def _split(what: tuple[str, ...]) -> tuple[Path | None, str]:
    match what:
        case (target,) if Path(target).suffix == ".pt":
            raise UsageError(
                f"gmn-verify needs the model that {target} was made from",
                hint=f"gmn-verify {target} model.py",
            )
        case (target,):
            return None, target
        case (graph, target):
            return Path(graph), target
        case _:
            raise UsageError(
                f"gmn-verify takes one or two arguments, not {len(what)}",
                hint="gmn-verify graph.pt model.py, or gmn-verify model.py",
            )


def main() -> None:
    """Entry point of gmn-verify."""
    sys.exit(run(verify))
