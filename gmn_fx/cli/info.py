"""gmn-info: what is in a graph.pt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmn_fx.cli.common import print_json, run, say

if TYPE_CHECKING:
    from gmn_fx.graph import ParameterGraph

FIRST = 40


@click.command("gmn-info")
@click.argument("graph", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
@click.option("--text", is_flag=True, help="Print the graph's text form, which parses back.")
@click.option("--all", "everything", is_flag=True, help=f"All rows, not the first {FIRST}.")
@click.version_option(package_name="gmn-fx")
def info(graph: Path, as_json: bool, text: bool, everything: bool) -> int:
    """Show the groups and bundles of GRAPH (a graph.pt), its counts and its coverage."""
    import gmn_fx

    loaded = gmn_fx.load(graph)
    if as_json:
        print_json(as_dict(loaded))
    elif text:
        click.echo(loaded.to_text())
    else:
        _print(loaded, None if everything else FIRST)
    return 0


def as_dict(graph: ParameterGraph) -> dict[str, Any]:
    """Everything that gmn-info knows, as plain data."""
    from gmn_fx.cli import report

    groups = [report.group_row(group) for group in graph.groups]
    bundles = [report.bundle_row(bundle, graph.histories) for bundle in graph.bundles]
    return {
        **report.summary(graph),
        "meta": dict(graph.meta),
        "group_table": [dict(zip(report.GROUP_COLUMNS, row, strict=True)) for row in groups],
        "bundle_table": [dict(zip(report.BUNDLE_COLUMNS, row, strict=True)) for row in bundles],
    }


def _print(graph: ParameterGraph, first: int | None) -> None:
    from gmn_fx.cli import report

    groups = [report.group_row(group) for group in graph.groups]
    bundles = [report.bundle_row(bundle, graph.histories) for bundle in graph.bundles]
    for title, columns, rows in (
        ("groups", report.GROUP_COLUMNS, groups),
        ("bundles", report.BUNDLE_COLUMNS, bundles),
    ):
        report.print_table(title, columns, rows[:first])
        if first is not None and len(rows) > first:
            say(f"... {len(rows) - first} more {title}: --all shows them")
    report.print_summary(graph)
    for note in graph.notes:
        click.echo(f"note: {note}")


def main() -> None:
    """Entry point of gmn-info."""
    sys.exit(run(info))
