"""The scripts in tools/ and the report of benchmarks/ do what their docstrings say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import measure, report
from gmn_fx.registry import load_registry
from tests.zoo.extracted import graph_of

ROOT = Path(__file__).parents[1]


def run(*command: str, code: int = 0) -> str:
    """Standard output of a script of this repository."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def test_op_coverage_of_a_case() -> None:
    out = run("tools/op_coverage.py", "mlp-relu")
    assert "torch.ops.aten.linear.default" in out
    assert out.splitlines()[-1].endswith("operations have a rule")
    assert "NO RULE" not in out


def test_op_coverage_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a = torch.nn.Linear(4, 4)\n"
        "    def forward(self, x):\n"
        "        return torch.linalg.ldl_factor(self.a(x)).LD\n"
        "model = Net()\n"
        "example_inputs = (torch.randn(4, 4),)\n"
    )
    out = run("tools/op_coverage.py", "--target", str(path), code=1)
    assert "NO RULE  torch.ops.aten.linalg_ldl_factor.default" in out


def test_pass_table_shows_every_pass_and_can_be_checked(tmp_path: Path) -> None:
    out = run("tools/pass_table.py")
    assert all(f"| `{name}` |" in out for name in load_registry().passes)
    page = tmp_path / "page.md"
    page.write_text("# Passes\n<!-- passes: begin -->\nold\n<!-- passes: end -->\ntail\n")
    run("tools/pass_table.py", "--check", str(page), code=1)
    run("tools/pass_table.py", "--write", str(page))
    run("tools/pass_table.py", "--check", str(page))
    assert page.read_text().endswith("<!-- passes: end -->\ntail\n")


def test_update_goldens_refuses_unknown_names() -> None:
    run("tools/update_goldens.py", "no-such-case", code=2)


def test_the_report_marks_missed_bars() -> None:
    bars = [
        measure.bar("fast", 0.5, 1.0, "x"),
        measure.bar("slow", 3.0, 1.0, "x"),
        measure.bar("unknown", None, 1.0, "x"),
    ]
    results = {"seconds": {"median": 0.1234}, "edges": 1234567}
    page = report.render(
        [{"benchmark": "bench_x", "machine": {"python": "3"}, "results": results, "bars": bars}]
    )
    assert "| fast | 0.5 x | 1 x | yes |" in page
    assert "| slow | 3 x | 1 x | **no** |" in page
    assert "| unknown | not measured | 1 x | - |" in page
    assert "| seconds.median | 0.123 |" in page
    assert "| edges | 1,234,567 |" in page


def test_the_report_gives_many_models_a_row_each() -> None:
    rows = [{"model": "a", "seconds": 0.5}, {"model": "b", "failed": "more than 1 s"}]
    page = report.render(
        [{"benchmark": "bench_x", "title": "Many", "machine": {}, "results": rows, "bars": []}]
    )
    assert "## Many\n\n`python -m benchmarks.bench_x`" in page
    assert "| a | 0.5 |  |" in page
    assert "| b |  | more than 1 s |" in page


def test_structure_bytes_counts_tables_once() -> None:
    graph = graph_of("mlp-relu")
    small = measure.structure_bytes(graph)
    assert 1000 < small < 50_000
    assert measure.structure_bytes(graph_of("conv2d")) > small


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's high-water mark")
def test_peak_memory_sees_a_large_array() -> None:
    memory = measure.PeakMemory()
    memory.start()
    block = bytearray(64 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    del block
    extra = memory.extra()
    assert extra is None or 60 * 2**20 < extra < 80 * 2**20
