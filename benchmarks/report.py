"""Results of the benchmarks -> RESULTS.md.

python -m benchmarks.report RESULT.json [...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEAD = """# Results

Written by `make bench` (`benchmarks/run.py`); do not edit. One thread, CPU time unless it says
wall, medians. Ratios are taken inside one process; on a busy machine they move by about a quarter.
"""


def render(results: Sequence[dict[str, Any]]) -> str:
    """The page: the bars first, then every figure."""
    parts = [_HEAD, _machine(results), _bars(results)]
    parts += [_details(result) for result in results]
    return "\n".join(part for part in parts if part)


def _machine(results: Sequence[dict[str, Any]]) -> str:
    rows = sorted({tuple(sorted(result["machine"].items())) for result in results})
    return "".join(", ".join(f"{k} {v}" for k, v in row) + ".\n" for row in rows)


def _bars(results: Sequence[dict[str, Any]]) -> str:
    lines = ["## Bars\n", "| what | measured | at most | met |", "|---|---:|---:|---|"]
    for result in results:
        for row in result["bars"]:
            value = (
                "not measured" if row["value"] is None else _with_unit(row["value"], row["unit"])
            )
            met = {True: "yes", False: "**no**", None: "-"}[row["met"]]
            lines.append(
                f"| {row['name']} | {value} | {_with_unit(row['limit'], row['unit'])} | {met} |"
            )
    return "\n".join(lines) + "\n"


def _with_unit(value: float, unit: str) -> str:
    return f"{number(value)} {unit}".strip()


def _details(result: dict[str, Any]) -> str:
    entries = result["results"]
    rows = entries if isinstance(entries, list) else [entries]
    if "title" in result:
        command = f"`python -m benchmarks.{result['benchmark']}`"
        return f"## {result['title']}\n\n{command}\n\n{table(rows)}"
    flat = [dict(flatten(row)) for row in rows]
    names = list(dict.fromkeys(key for row in flat for key in row))
    heads = [str(row.get("model", "value")) for row in flat]
    lines = [
        f"## {result['benchmark']}\n",
        f"| | {' | '.join(heads)} |",
        "|---|" + "---:|" * len(flat),
    ]
    for name in names:
        if name != "model":
            cells = [number(row[name]) if name in row else "" for row in flat]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A row for each entry, for many of them; figures that an entry lacks stay empty."""
    flat = [dict(flatten(row)) for row in rows]
    names = list(dict.fromkeys(key for row in flat for key in row))
    lines = [f"| {' | '.join(names)} |", "|---|" + "---:|" * (len(names) - 1)]
    for row in flat:
        cells = [number(row[name]) if name in row else "" for name in names]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def flatten(value: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested dictionaries as one list of dotted names."""
    out: list[tuple[str, Any]] = []
    for key, item in value.items():
        name = f"{prefix}{key}"
        out += flatten(item, name + ".") if isinstance(item, dict) else [(name, item)]
    return out


def number(value: Any) -> str:
    """Three significant digits for small numbers, thousands marked in large ones."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{round(value):,}"
    return f"{value:.3g}"


def write(results: Sequence[dict[str, Any]]) -> Path:
    """Write RESULTS.md and say where it is."""
    RESULTS.write_text(render(results))
    return RESULTS


if __name__ == "__main__":
    write([json.loads(Path(name).read_text()) for name in sys.argv[1:]])
