"""Run commands in this process, through the same function as the installed scripts."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from gmn_fx.cli.common import run

MLP = """
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
"""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Gmn = Callable[..., Outcome]
Write = Callable[..., Path]


@pytest.fixture
def gmn(capsys: pytest.CaptureFixture[str]) -> Gmn:
    """`gmn("extract", "model.py", "--quiet")` -> exit code, stdout, stderr."""

    def call(name: str, *argv: object) -> Outcome:
        command = getattr(import_module(f"gmn_fx.cli.{name}"), name)
        capsys.readouterr()
        code = run(command, [str(a) for a in argv])
        shown = capsys.readouterr()
        return Outcome(code, shown.out, shown.err)

    return call


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write("model.py", source)` -> its path in an empty folder."""

    def put(name: str, source: str) -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(source))
        return path

    return put


@pytest.fixture
def mlp(write: Write) -> Path:
    """A model file with a small perceptron."""
    return write("tiny_mlp.py", MLP)


@pytest.fixture
def graph(mlp: Path, gmn: Gmn, tmp_path: Path) -> Path:
    """A graph.pt of that perceptron."""
    out = tmp_path / "graph.pt"
    outcome = gmn("extract", mlp, "--out", out)
    assert outcome.code == 0, outcome.err
    return out
