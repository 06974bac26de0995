"""The table of passes and pipelines, as Markdown.

    python tools/pass_table.py                     print it
    python tools/pass_table.py --write FILE        put it between the two markers in FILE
    python tools/pass_table.py --check FILE        1 if FILE shows another table

The markers are `<!-- passes: begin -->` and `<!-- passes: end -->`, each on its own line.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gmn_fx.registry import Registry, list_passes, load_registry

BEGIN, END = "<!-- passes: begin -->", "<!-- passes: end -->"


def table(registry: Registry) -> str:
    """Passes by name, then pipelines."""
    lines = ["| pass | works on | options | needs | what it does |", "|---|---|---|---|---|"]
    for info in list_passes(registry):
        options = ", ".join(f"`{o.name}: {o.type} = {o.default}`" for o in info.options) or "-"
        needs = ", ".join(info.requires) or "-"
        lines.append(f"| `{info.name}` | {info.level} | {options} | {needs} | {info.summary} |")
    lines += ["", "| pipeline | passes |", "|---|---|"]
    for name, spec in sorted(registry.pipelines.items()):
        steps = ", ".join(f"`{step.strip()}`" for step in spec.split(","))
        lines.append(f"| `{name}` | {steps} |")
    return "\n".join(lines)


def replaced(text: str, new: str, path: Path) -> str:
    """`text` with `new` between the markers."""
    head, begin, rest = text.partition(BEGIN + "\n")
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} has no lines {BEGIN} and {END}")
    return f"{head}{begin}{new}\n{end}{tail}"


def main() -> int:
    """Print, write or check."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--write", type=Path, metavar="FILE")
    group.add_argument("--check", type=Path, metavar="FILE")
    options = parser.parse_args()
    new = table(load_registry())
    path = options.write or options.check
    if path is None:
        print(new)
        return 0
    before = path.read_text()
    after = replaced(before, new, path)
    if options.write:
        path.write_text(after)
    elif before != after:
        print(f"{path} shows an old table: python tools/pass_table.py --write {path}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
