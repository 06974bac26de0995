"""The table of `--list-passes`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gmn_fx.cli.report import print_table
from gmn_fx.errors import UsageError

if TYPE_CHECKING:
    from gmn_fx.registry import PassInfo, Plugin

COLUMNS = {"name": "", "level": "", "options": "", "owner": "", "what it does": ""}


def print_passes(plugins: Sequence[Plugin] = ()) -> None:
    """All passes that are known, with their options and owners, and the named pipelines."""
    from gmn_fx.registry import list_passes, load_registry

    registry = load_registry(plugins)
    rows: list[tuple[object, ...]] = [
        (info.name, info.level, _options(info), info.owner, info.summary)
        for info in list_passes(registry)
    ]
    print_table("passes", COLUMNS, rows)
    for name, spec in sorted(registry.pipelines.items()):
        click.echo(f"pipeline {name}: {spec}")


def check_names(names: Sequence[str], plugins: Sequence[Plugin]) -> None:
    """Refuse a `--print-after` that would never print."""
    from gmn_fx.registry import load_registry

    known = {"all", "build", *load_registry(plugins).passes}
    unknown = sorted(set(names) - known)
    if unknown:
        raise UsageError(
            f"--print-after: no pass is called {', '.join(unknown)}",
            hint='"all", "build", or a name that --list-passes shows',
        )


def _options(info: PassInfo) -> str:
    return ",".join(f"{option.name}={_spell(option.default)}" for option in info.options)


def _spell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
