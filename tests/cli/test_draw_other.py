"""gmn-draw GRAPH OTHER: the picture, the table and the warnings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gmn_fx
from tests.cli.conftest import Gmn, Write


@pytest.fixture
def tuned(graph: Path, tmp_path: Path) -> Path:
    """The perceptron of `graph` after one weight was doubled."""
    before = gmn_fx.load(graph)
    values = {**before.values, "2.weight": before.values["2.weight"] * 2}
    out = tmp_path / "tuned.pt"
    before.bind(values).save(out)
    return out


def test_a_picture_and_a_table(gmn: Gmn, graph: Path, tuned: Path, tmp_path: Path) -> None:
    out = tmp_path / "diff.svg"
    outcome = gmn("draw", graph, tuned, "--out", out)
    assert outcome.code == 0, outcome.err
    assert "</svg>" in out.read_text()
    lines = [line.strip() for line in outcome.out.splitlines()]
    (row,) = [line for line in lines if line.startswith("2.weight")]
    assert row.split()[1:4] == ["changed", "2x4", "1"]
    assert "8 of 8" in row
    assert not any(line.startswith("0.weight") for line in lines)
    assert lines[-1] == "equal structure; 1 of 4 parameters changed, most 2.weight (relative 1)"
    assert "warning" not in outcome.err


def test_the_order_is_before_and_after(gmn: Gmn, graph: Path, tuned: Path, tmp_path: Path) -> None:
    outcome = gmn("draw", tuned, graph, "--out", tmp_path / "diff.svg")
    assert "most 2.weight (relative 0.5)" in outcome.out


def test_quiet(gmn: Gmn, graph: Path, tuned: Path, tmp_path: Path) -> None:
    outcome = gmn("draw", graph, tuned, "--out", tmp_path / "diff.svg", "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert (tmp_path / "diff.svg").is_file()


def test_identical_graphs(gmn: Gmn, graph: Path, tmp_path: Path) -> None:
    outcome = gmn("draw", graph, graph, "--out", tmp_path / "diff.svg")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("no difference: equal structure")
    assert "no difference" in (tmp_path / "diff.svg").read_text()


def test_graphs_with_nothing_in_common(gmn: Gmn, graph: Path, write: Write, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    model = write(
        "convolution.py",
        """
        from torch import nn

        model = nn.Sequential()
        model.add_module("stem", nn.Conv2d(3, 4, 3))
        """,
    )
    made = gmn("extract", model, "--out", other, "--input", "1x3x8x8")
    assert made.code == 0, made.err
    outcome = gmn("draw", graph, other, "--out", tmp_path / "diff.svg")
    assert outcome.code == 0, outcome.err
    assert "warning: the graphs have no parameter in common" in outcome.err
    assert "nothing in common" in outcome.out
    assert "</svg>" in (tmp_path / "diff.svg").read_text()


@pytest.mark.parametrize("content", [None, b"", b"not a graph", b"PK\x03\x04broken"])
def test_an_other_that_cannot_be_read(
    gmn: Gmn, graph: Path, tmp_path: Path, content: bytes | None
) -> None:
    other = tmp_path / "other.pt"
    if content is not None:
        other.write_bytes(content)
    outcome = gmn("draw", graph, other, "--out", tmp_path / "diff.svg")
    assert outcome.code == 9
    assert "other.pt" in outcome.err
    assert not (tmp_path / "diff.svg").exists()


def test_an_other_that_is_a_checkpoint(gmn: Gmn, graph: Path, tmp_path: Path) -> None:
    other = tmp_path / "weights.pt"
    torch.save({"0.weight": torch.ones(4, 3)}, other)
    outcome = gmn("draw", graph, other, "--out", tmp_path / "diff.svg")
    assert outcome.code == 9
    assert "weights.pt" in outcome.err


def test_a_view_without_b_minus_a(gmn: Gmn, graph: Path, write: Write, tmp_path: Path) -> None:
    wide = write(
        "wide.py",
        """
        from torch import nn

        model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
        """,
    )
    other = tmp_path / "wide.pt"
    assert gmn("extract", wide, "--out", other).code == 0
    outcome = gmn("draw", graph, other, "--out", tmp_path / "diff.svg", "--view", "neuron")
    assert outcome.code == 10
    assert "--view architecture" in outcome.err
    outcome = gmn("draw", graph, other, "--out", tmp_path / "diff.svg")
    assert outcome.code == 0
    assert "4x3 -> 5x3" in outcome.out
    assert "3 parameters resized" in outcome.out


def test_long_tables_are_cut(gmn: Gmn, write: Write, tmp_path: Path) -> None:
    deep = write(
        "deep.py",
        """
        from torch import nn

        model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(15)))
        """,
    )
    first, second = tmp_path / "first.pt", tmp_path / "second.pt"
    assert gmn("extract", deep, "--out", first).code == 0
    graph = gmn_fx.load(first)
    graph.bind({k: v + 1 for k, v in graph.values.items()}).save(second)
    outcome = gmn("draw", first, second, "--out", tmp_path / "diff.svg")
    assert sum(" changed " in line for line in outcome.out.splitlines()) == 20
    assert "... 10 more parameters that differ" in outcome.err


def test_the_installed_script(graph: Path, tuned: Path, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("gmn-draw")
    out = tmp_path / "diff.svg"
    done = subprocess.run(
        [script, graph, tuned, "--out", out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "1 of 4 parameters changed" in done.stdout
    assert out.is_file()
