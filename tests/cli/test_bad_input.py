"""Hostile model files and outputs: one message, the right exit code, nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import MLP, Gmn, Write


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("quits", "def build_model():\n    raise SystemExit(3)\n", "build_model() failed"),
        (
            "raises",
            "from torch import nn\nmodel = nn.ReLU()\ndef example_inputs(): raise OSError(7)\n",
            "example_inputs() failed",
        ),
    ],
)
def test_code_of_the_model_file_that_fails(
    gmn: Gmn, write: Write, tmp_path: Path, name: str, source: str, said: str
) -> None:
    out = tmp_path / "graph.pt"
    outcome = gmn("extract", write(f"{name}_here.py", source), "--out", out)
    assert outcome.code == 3
    assert said in outcome.err
    assert "this is a bug" not in outcome.err
    assert not out.exists()


def test_a_device_is_refused_before_any_work(gmn: Gmn, write: Write) -> None:
    outcome = gmn("extract", write("m_device.py", MLP), "--out", "/dev/null")
    assert outcome.code == 9
    assert "not a regular file" in outcome.err
    assert "inputs:" not in outcome.err


def test_an_unknown_picture_format_is_refused_before_any_work(
    gmn: Gmn, write: Write, tmp_path: Path
) -> None:
    out = tmp_path / "graph.pt"
    outcome = gmn("extract", write("m_foo.py", MLP), "--out", out, "--svg", tmp_path / "x.foo")
    assert outcome.code == 10
    assert "inputs:" not in outcome.err
    assert not out.exists()


def test_no_seeds_is_wrong_usage(gmn: Gmn, write: Write) -> None:
    outcome = gmn("verify", write("m_seeds.py", MLP), "--seeds", "0")
    assert outcome.code == 2
