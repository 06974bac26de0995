"""gmn-draw: the picture of a graph.pt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gmn_fx.cli.common import check_picture, check_writable, run, say
from gmn_fx.cli.progress import Progress

VIEWS = ("auto", "architecture", "neuron", "hybrid")


@click.command("gmn-draw")
@click.argument("graph", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path), required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="graph.svg, .png, .pdf, .html (a page to explore the graph, or what differs) or .dot",
)
@click.option(
    "--view", type=click.Choice(VIEWS), default="auto", show_default=True, help="What to draw."
)
@click.option("--depth", type=int, help="Architecture: modules nested this deep are one box each.")
@click.option(
    "--max-boxes",
    type=int,
    default=80,
    show_default=True,
    help="Architecture: with more groups than this, modules fold into boxes.",
)
@click.option(
    "--max-edges",
    type=int,
    default=100_000,
    show_default=True,
    help="Neuron: larger graphs are refused.",
)
@click.option(
    "--repeats",
    type=click.Choice(["fold", "draw"]),
    default="fold",
    show_default=True,
    help="Architecture: draw blocks that repeat once, or all of them.",
)
@click.option(
    "--direction",
    type=click.Choice(["TB", "LR"]),
    default="TB",
    show_default=True,
    help="Architecture: from top to bottom, or from left to right.",
)
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.version_option(package_name="gmn-fx")
def draw(graph: Path, other: Path | None, out: Path, quiet: bool, **options: Any) -> int:
    """Draw GRAPH (a graph.pt) into a picture; with OTHER, what differs from GRAPH to OTHER."""
    import gmn_fx

    check_writable(out)
    check_picture(out)
    options["fold_repeats"] = options.pop("repeats") == "fold"
    options["rankdir"] = options.pop("direction")
    with Progress(quiet=quiet) as progress:
        progress("load")
        loaded = gmn_fx.load(graph)
        second = gmn_fx.load(other) if other is not None else None
        progress("draw")
        if second is not None:
            from gmn_fx.drawing.compare import compare, draw_comparison

            found = compare(loaded, second)
            draw_comparison(found, out, **options)
        else:
            gmn_fx.draw(loaded, out, **options)
    if second is not None and not quiet:
        from gmn_fx.cli.comparing import print_comparison

        print_comparison(found)
    say(f"wrote {out}", quiet=quiet)
    return 0


def main() -> None:
    """Entry point of gmn-draw."""
    sys.exit(run(draw))
