"""gmn-draw: the picture of a graph.pt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gmn_fx.cli.common import check_picture, check_writable, run, say
from gmn_fx.cli.progress import Progress

if TYPE_CHECKING:
    from gmn_fx.api import View

VIEWS = ("auto", "architecture", "neuron", "hybrid")


@click.command("gmn-draw")
@click.argument("graph", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path), required=False)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="graph.svg or .dot")
@click.option(
    "--view", type=click.Choice(VIEWS), default="auto", show_default=True, help="What to draw."
)
@click.option("--depth", type=int, help="Architecture: modules nested this deep are one box each.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.version_option(package_name="gmn-fx")
def draw(
    graph: Path, other: Path | None, out: Path, view: View, depth: int | None, quiet: bool
) -> int:
    """Draw GRAPH (a graph.pt) into a picture; with OTHER, what differs from GRAPH to OTHER."""
    import gmn_fx

    check_writable(out)
    check_picture(out)
    with Progress(quiet=quiet) as progress:
        progress("load")
        loaded = gmn_fx.load(graph)
        second = gmn_fx.load(other) if other is not None else None
        progress("draw")
        if second is not None:
            from gmn_fx.drawing.compare import compare, draw_comparison

            found = compare(loaded, second)
            draw_comparison(found, out, view=view, depth=depth)
        else:
            gmn_fx.draw(loaded, out, view=view, depth=depth)
    if second is not None and not quiet:
        from gmn_fx.cli.comparing import print_comparison

        print_comparison(found)
    say(f"wrote {out}", quiet=quiet)
    return 0


def main() -> None:
    """Entry point of gmn-draw."""
    sys.exit(run(draw))
