"""Extract and verify the models of the public libraries; write the table.

    make sweep
    python -m tools.sweep [--all] [--list] [--jobs N] [--limit SECONDS] [--seeds N] [--quick]
                          [--fresh] [PREFIX ...]

Without PREFIX one model a family is swept (with --all also its close relatives), and the table in
the docs is written anew; with it only those whose names start so ("timm/", "zoo/lstm") are, and
only the terminal hears of it. A sweep that was interrupted goes on where it stopped, unless the
code has changed or --fresh is given.
Exit status 1 if a model is neither verified nor expected to fail, or both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tools.sweep.catalogue import catalogue
from tools.sweep.expected import EXPECTED
from tools.sweep.row import Row
from tools.sweep.runner import ROOT, Journal, run, select
from tools.sweep.table import markdown, write_json
from tools.sweep.wide import WIDE

_COLOURS = {"verified": "green", "wrong": "red", "refused": "yellow", "failed": "magenta"}


def main(argv: list[str] | None = None) -> int:
    """Run the sweep; the exit status."""
    options = _options(argv)
    names = select(catalogue(), options.prefixes)
    if not options.prefixes and not options.all:
        names = [name for name in names if name not in WIDE]
    if options.list:
        print("\n".join(names))
        return 0
    if not names:
        print(f"no model starts with {' or '.join(options.prefixes)}; --list shows all")
        return 2
    rows = _sweep(names, options)
    unexpected = [r for r in rows if (r.status == "verified") == (r.name in EXPECTED)]
    good = sum(r.status == "verified" for r in rows)
    print(f"{good} of {len(rows)} models verified; {len(unexpected)} unexpected results")
    if not options.prefixes and not options.quick:
        write_json(rows, ROOT / "docs/sweep.json")
        (ROOT / "docs/sweep.md").write_text(markdown(rows, EXPECTED, options.seeds))
    return 1 if unexpected else 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.sweep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("prefixes", nargs="*", metavar="PREFIX")
    parser.add_argument("--all", action="store_true", help="close relatives too (two hours more)")
    parser.add_argument("--list", action="store_true", help="only print the names")
    parser.add_argument("--jobs", type=int, default=2, help="models at a time (2)")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one model (300)")
    parser.add_argument("--seeds", type=int, default=3, help="automorphisms for each model (3)")
    parser.add_argument("--quick", action="store_true", help="only extract and ask the oracle")
    parser.add_argument("--fresh", action="store_true", help="forget an interrupted sweep")
    parser.add_argument(
        "--journal",
        type=Path,
        default=ROOT / "build/sweep.jsonl",
        help="where finished rows are kept (build/sweep.jsonl)",
    )
    return parser.parse_args(argv)


def _sweep(names: list[str], options: argparse.Namespace) -> list[Row]:
    journal = Journal(options.journal, fresh=options.fresh)
    done = journal.rows()
    rows = [done[name] for name in names if name in done]
    left = [name for name in names if name not in done]
    console = Console(highlight=False, soft_wrap=True)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("sweep", total=len(names), completed=len(rows))

        def seen(row: Row) -> None:
            journal.add(row)
            rows.append(row)
            colour = _COLOURS[row.status]
            console.print(f"[{colour}]{row.status:9}[/] {row.name:44} {row.total:6.1f} s", end="  ")
            console.print(" ".join(row.reason.split())[:300], markup=False)
            progress.advance(task)

        how = {"jobs": options.jobs, "limit": options.limit}
        run(left, seen, **how, seeds=options.seeds, quick=options.quick)
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
