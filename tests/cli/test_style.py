"""`--style`: which graph, through the commands themselves."""

from __future__ import annotations

import json
from pathlib import Path

import gmn_fx
from tests.cli.conftest import Gmn, Write

GATED = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.into = nn.Linear(3, 8)
            self.norm = nn.LayerNorm(4)
            self.lstm = nn.LSTM(4, 2, batch_first=True)

        def forward(self, x):
            return self.lstm(self.norm(nn.functional.glu(self.into(x), -1)))[0]

    model = Net()
    example_inputs = (torch.randn(2, 5, 3),)
"""


def test_a_paper_graph_is_written_and_says_so(gmn: Gmn, write: Write, tmp_path: Path) -> None:
    model, out = write("gated.py", GATED), tmp_path / "g.pt"
    outcome = gmn("extract", model, "--style", "paper", "--out", out)
    assert outcome.code == 0, outcome.err
    assert "note: the paper has no construction for" in outcome.err
    assert "lstm" in outcome.err
    assert "paper style" in outcome.out
    graph = gmn_fx.load(out)
    assert graph.meta["style"] == "paper"
    info = gmn("info", out, "--json")
    assert json.loads(info.out)["style"] == "paper"
    assert gmn("info", out).code == 0
    assert 'meta "style" = "paper"' in gmn("info", out, "--text").out
    drawn = gmn("draw", out, "--out", tmp_path / "g.dot", "--view", "architecture")
    assert drawn.code == 0, drawn.err
    assert "->" in (tmp_path / "g.dot").read_text()


def test_exact_is_the_default(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.pt", tmp_path / "b.pt"
    assert gmn("extract", mlp, "--out", first).code == 0
    assert gmn("extract", mlp, "--style", "exact", "--out", second).code == 0
    assert gmn_fx.load(first) == gmn_fx.load(second)


def test_the_oracle_refuses_a_paper_graph(gmn: Gmn, write: Write, tmp_path: Path) -> None:
    model, out = write("gated.py", GATED), tmp_path / "g.pt"
    refused = gmn("extract", model, "--style", "paper", "--verify", "--out", out)
    assert refused.code == 8
    assert "P3" in refused.out
    assert not out.exists()
    assert gmn("extract", model, "--style", "paper", "--out", out).code == 0
    verified = gmn("verify", out, model, "--seeds", "2")
    assert verified.code == 8
    assert "graphs of the paper style have symmetries that networks have not" in verified.err
    assert "P3" in verified.out


def test_a_style_and_passes_exclude_each_other(gmn: Gmn, mlp: Path) -> None:
    outcome = gmn("extract", mlp, "--style", "paper", "--passes", "exact")
    assert outcome.code == 2
    assert "style 'paper' and passes were both given" in outcome.err
    assert "leave out one of the two" in outcome.err


def test_an_unknown_style_names_a_near_one(gmn: Gmn, mlp: Path) -> None:
    outcome = gmn("extract", mlp, "--style", "papper")
    assert outcome.code == 2
    assert "unknown style 'papper' (near: paper)" in outcome.err
    assert "one of exact, paper" in outcome.err


def test_the_pipeline_is_listed(gmn: Gmn) -> None:
    outcome = gmn("extract", "--list-passes")
    assert outcome.code == 0
    assert "pipeline paper: canonicalise," in outcome.out
    assert "raise-attention" in outcome.out
