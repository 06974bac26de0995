"""The paper's graphs have automorphisms that the network has not; the exact ones have none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import gmn_fx
from tests.zoo import CASES
from tools.paper_gap import BEGIN, DOC, END, Gap, Sets, gaps, table

GAPS = {gap.name: gap for gap in gaps()}


@pytest.mark.parametrize("name", GAPS)
def test_the_paper_confuses_what_the_exact_graph_tells_apart(name: str) -> None:
    paper, exact = GAPS[name].errors()
    assert paper > 1e-3
    assert exact <= 1e-9


def test_a_distinction_that_nobody_needs_is_no_gap() -> None:
    """The measure itself can come out at zero."""
    model, x = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)), torch.randn(2, 3)
    paper, exact = Gap("a perceptron", model, x).errors(seeds=2)
    assert max(paper, exact) <= 1e-9


def test_the_oracle_reports_the_gap() -> None:
    model, x = Sets(), torch.randn(2, 5, 3)
    report = gmn_fx.verify(model, gmn_fx.extract(model, (x,), style="paper"), (x,), seeds=2)
    assert not report.ok
    assert any(problem.startswith("P3") for problem in report.problems)


def test_the_table_of_the_documentation_names_every_gap() -> None:
    shown = Path(DOC).read_text().partition(BEGIN)[2].partition(END)[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table().splitlines()[2:]]
    assert rows == list(GAPS)
    for line in shown.strip().splitlines()[2:]:
        name, paper, exact = line.strip("| ").split(" | ")
        assert name in GAPS
        assert float(paper) > 1e-3
        assert exact == "at most 1e-9"
    assert len(shown.strip().splitlines()) == len(GAPS) + 2


# One of every kind: shared, tied, recurrent, routed, grouped, positional, mixed, computed weights.
SOME = (
    "mlp-relu", "prelu-channels", "bilinear", "moe-modules", "deepsets", "dueling", "cosine-head",
    "layer-twice", "tied-autoencoder", "lora-merged", "spectral-norm", "complex", "bfloat16",
    "zero-size", "conv2d-grouped", "conv-flatten-linear", "local-response-norm", "unet", "densenet",
    "resnet-bottleneck", "convnext-block", "mha-bias-kv", "decoder-layer", "perceiver", "tiny-vit",
    "mlp-mixer", "embedding-tied", "lstm-cell-loop", "gru-bidirectional", "state-space-scan",
    "moe-sorted", "flow-glow", "gat", "style-conv", "early-exit", "shared-blocks",
)  # fmt: skip


@pytest.mark.parametrize("name", SOME)
def test_every_model_has_a_paper_graph(name: str) -> None:
    model, args, kwargs = CASES[name].make()
    graph = gmn_fx.extract(model, args, kwargs, style="paper")
    graph.verify(level="values")
    assert graph.meta["style"] == "paper"
    exact = gmn_fx.extract(model, args, kwargs)
    trained = {s.name for s in exact.slots if s.used and s.trainable}
    assert {s.name for s in graph.slots if s.used and s.trainable} == trained
