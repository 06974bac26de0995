"""The table of a sweep as JSON, as a page of the docs, and as lines on the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from tools.sweep.row import STATUSES, Row

_PACKAGES = {
    "torch": "torch", "torchvision": "torchvision", "timm": "timm", "transformers": "transformers",
    "diffusers": "diffusers", "smp": "segmentation-models-pytorch", "monai": "monai",
    "vit-pytorch": "vit-pytorch", "x-transformers": "x-transformers", "pyg": "torch-geometric",
}  # fmt: skip
_HEAD = """# The sweep: which architectures become verified parameter graphs

Made by `make sweep`; do not edit. {count} models of public libraries and of this project's own zoo,
each with random weights and a tiny configuration, each in a process of its own. *Verified* means:
P1 to P7 hold (see [the oracle](oracle.md)), and the oracle (float64, random non-degenerate
weights, {seeds} seeds) agrees. *Wrong*: there is a graph, but a check says no. *Refused*: an error
says why there is no graph. *Failed*: a crash or a time-out. Times are wall-clock seconds of the
extraction alone on one core of a small shared machine; memory is the growth of the resident set
meanwhile.

Versions: {versions}.
"""


def write_json(rows: Sequence[Row], path: Path) -> None:
    """All rows, sorted by name."""
    content = [row.to_json() for row in sorted(rows, key=lambda r: r.name)]
    path.write_text(json.dumps(content, indent=0) + "\n")


def markdown(rows: Sequence[Row], expected: Mapping[str, str], seeds: int) -> str:
    """The page: totals by library, rungs, what is not verified and why, and every model."""
    rows = sorted(rows, key=lambda r: r.name)
    return "\n".join(
        [
            _HEAD.format(count=len(rows), seeds=seeds, versions=_versions()),
            "## Totals\n",
            *_totals(rows),
            "\n## Captured by\n",
            *_rungs(rows),
            "\n## Not verified\n",
            *_open(rows, expected),
            "\n## Every model\n",
            *_all(rows),
            "",
        ]
    )


def _versions() -> str:
    found = []
    for name, package in _PACKAGES.items():
        try:
            found.append(f"{name} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> list[str]:
    rows = [head, ["---"] * len(head), *lines]
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def _totals(rows: Sequence[Row]) -> list[str]:
    libraries = sorted({row.library for row in rows})
    groups = [(name, [r for r in rows if r.library == name]) for name in libraries]
    lines = []
    for name, some in [*groups, ("**all**", list(rows))]:
        counts = [sum(r.status == status for r in some) for status in STATUSES]
        seconds = median([r.seconds for r in some if r.extracted] or [0.0])
        lines.append([name, len(some), *counts, f"{seconds:.1f} s"])
    return _table(["library", "models", *STATUSES, "median extraction"], lines)


def _rungs(rows: Sequence[Row]) -> list[str]:
    names = sorted({row.rung for row in rows if row.rung})
    return _table(["rung", "models"], [[n, sum(r.rung == n for r in rows)] for n in names])


def _open(rows: Sequence[Row], expected: Mapping[str, str]) -> list[str]:
    lines = [
        [row.name, row.status, _cell(expected.get(row.name, row.reason))]
        for row in rows
        if row.status != "verified"
    ]
    return _table(["model", "status", "reason"], lines) if lines else ["None."]


def _all(rows: Sequence[Row]) -> list[str]:
    return _table(
        ["model", "status", "rung", "parameters", "nodes", "edges", "seconds", "MiB"],
        [
            [r.name, r.status, r.rung, r.parameters, r.nodes, r.edges, r.seconds, r.peak_mb]
            for r in rows
        ],
    )


def _cell(text: str) -> str:
    """`text` on one line of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")[:300]
