"""The shape of the project: imports go one way, `import gmn_fx` is light, files stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch_geometric", "networkx", "graphviz", "pygraphviz")

# What each part may import, besides itself.
BELOW = {"errors": (), "ir": ("errors",)}
BELOW["graph"] = ("errors", "ir")
BELOW["lowering"] = ("errors", "ir", "graph")
SIBLINGS = ("capture", "registry", "drawing", "symmetry", "gmn")
for _part in SIBLINGS:
    BELOW[_part] = ("errors", "ir", "graph", "lowering")
BELOW["api"] = (*BELOW["lowering"], "lowering", *SIBLINGS)
BELOW["__init__"] = (*BELOW["api"], "api")
BELOW["cli"] = (*BELOW["api"], "api", "__init__")
# A notebook asks the graph itself for its picture; drawing is imported when it does.
EXCEPTIONS = {("gmn_fx/graph/model.py", "gmn_fx.drawing.notebook")}
PASSES_MAY = ("errors", "ir", "graph", "lowering", "registry")


def sources() -> list[Path]:
    return sorted([*(ROOT / "gmn_fx").rglob("*.py"), *(ROOT / "passes").rglob("*.py")])


def part_of(path: Path) -> str:
    inside = path.relative_to(ROOT)
    if inside.parts[0] == "passes":
        return "passes"
    return inside.parts[1].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of every import, also of those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            if node.module == "gmn_fx":
                yield from (f"gmn_fx.{alias.name}" for alias in node.names)


def violations(part: str, tree: ast.AST) -> list[str]:
    """Imports in a file of `part` that go the wrong way."""
    allowed = PASSES_MAY if part == "passes" else BELOW[part]
    bad = []
    for name in imported(tree):
        head, _, rest = name.partition(".")
        if head == "gmn_fx_passes" and part != "passes":
            bad.append(name)
        if head != "gmn_fx":
            continue
        target = rest.partition(".")[0] or "__init__"
        known = target in BELOW
        if known and target != part and target not in allowed:
            bad.append(name)
    # The bare package is a door to everything; only the commands go through it.
    return [b for b in bad if not (b == "gmn_fx" and part == "__init__")]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    where = path.relative_to(ROOT).as_posix()
    bad = violations(part_of(path), ast.parse(path.read_text()))
    assert [name for name in bad if (where, name) not in EXCEPTIONS] == []


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("errors", "from gmn_fx.ir.program import Program"),
        ("graph", "from gmn_fx.lowering import build"),
        ("capture", "from gmn_fx.registry import Rules"),
        ("symmetry", "import gmn_fx.capture.ladder"),
        ("registry", "import gmn_fx_passes"),
        ("drawing", "def f():\n    from gmn_fx.api import extract"),
        ("lowering", "import gmn_fx"),
        ("passes", "from gmn_fx.capture import capture"),
        ("api", "from gmn_fx.cli import common"),
    ],
)
def test_the_import_check_can_fail(part: str, line: str) -> None:
    assert violations(part, ast.parse(line))


def loaded_after(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `code`."""
    show = "import sys; print(','.join(sorted({m.split('.')[0] for m in sys.modules})))"
    command = [sys.executable, "-c", f"{code}\n{show}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.strip().split(","))


def test_import_is_light() -> None:
    names = ", ".join(
        f"gmn_fx.{name}" for name in ("extract", "verify", "Plugin", "ParameterGraph")
    )
    assert loaded_after(f"import gmn_fx\n{names}").isdisjoint(HEAVY)


def test_import_alone_does_not_even_load_torch() -> None:
    assert "torch" not in loaded_after("import gmn_fx")


def test_the_light_import_check_can_fail() -> None:
    assert "networkx" in loaded_after("import gmn_fx, networkx")


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    long = [
        f"{node.name}: {length}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := body_length(node)) > 40
    ]
    assert long == []


def body_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its signature and its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1 if body else 0


def test_both_packages_are_typed() -> None:
    assert (ROOT / "gmn_fx/py.typed").is_file()
    assert (ROOT / "passes/gmn_fx_passes/py.typed").is_file()


def test_every_package_has_an_init() -> None:
    folders = {path.parent for path in sources()}
    assert [f for f in sorted(folders) if not (f / "__init__.py").is_file()] == []
