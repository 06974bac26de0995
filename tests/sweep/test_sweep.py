"""The sweep: its catalogue, its journal, its table, and a fast subset of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.zoo.case import Case, simple
from tools.sweep import check as checking
from tools.sweep.catalogue import catalogue
from tools.sweep.expected import EXPECTED
from tools.sweep.row import Row
from tools.sweep.runner import ROOT, Journal, select
from tools.sweep.table import markdown

# One or two of each library that the tests install, each with a mechanism of its own.
SUBSET = (
    "torchvision/regnet-y", "torchvision/swin", "torchvision/densenet", "timm/resnest",
    "timm/xcit", "timm/mixer", "timm/halonet", "transformers/mixtral", "transformers/gptj",
    "transformers/deberta-v2", "transformers/switch-transformers", "transformers/mamba",
    "transformers/detr", "transformers/fnet", "transformers/wav2vec2", "torch-geometric/gat-conv",
    "torch-geometric/rgcn-conv",
)  # fmt: skip


@pytest.mark.parametrize("name", SUBSET)
def test_a_fast_subset_is_verified(name: str) -> None:
    row = checking.check(catalogue()[name], seeds=1)
    assert (row.status, row.reason) == ("verified", "")


def test_the_catalogue_is_large_and_costs_nothing_to_list() -> None:
    libraries = [name.partition("/")[0] for name in catalogue()]
    counts = {name: libraries.count(name) for name in libraries}
    assert counts["timm"] >= 90
    assert counts["transformers"] >= 120
    assert sum(counts.values()) - counts["zoo"] >= 300
    code = (
        "import sys; from tools.sweep.catalogue import catalogue; catalogue();"
        "print([m for m in ('transformers', 'timm', 'diffusers', 'monai') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_expected_failures_name_models_of_the_catalogue() -> None:
    assert EXPECTED.keys() <= catalogue().keys()
    assert all(reason.strip() for reason in EXPECTED.values())


def test_select_takes_prefixes() -> None:
    assert select(["a/x", "a/y", "b/x"], ["a/"]) == ["a/x", "a/y"]
    assert select(["a/x"], []) == ["a/x"]


class Unstable(nn.Module):
    """Another structure at each batch size: what P5 forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) * x.shape[0]


def test_a_structure_that_follows_the_batch_is_wrong() -> None:
    row = checking.check(Case("zoo/unstable", simple(Unstable, 3)), seeds=1)
    assert row.status == "wrong"
    assert "P5" in row.reason


def test_a_graph_that_lies_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    report = SimpleNamespace(problems=("P3: an automorphism changes the output",))
    monkeypatch.setattr(checking, "verify", lambda *_, **__: report)
    row = checking.check(catalogue()["zoo/linear"])
    assert row.status == "wrong"
    assert row.reason.startswith("oracle: P3")


class NoRule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.ldl_factor(self.layer(x).mT @ self.layer(x)).LD


def test_refused_and_failed_are_told_apart() -> None:
    refused = checking.check(Case("zoo/no-rule", simple(NoRule, 3)))
    assert (refused.status, "no lowering rule" in refused.reason) == ("refused", True)

    def broken(batch: int, size: int) -> None:
        raise RuntimeError("no such model")

    failed = checking.check(Case("zoo/broken", broken))  # type: ignore[arg-type]
    assert (failed.status, failed.reason) == ("failed", "RuntimeError: no such model")


def test_the_journal_keeps_rows_of_equal_code_only(tmp_path: Path) -> None:
    path = tmp_path / "build" / "sweep.jsonl"
    journal = Journal(path, fresh=False)
    row = Row("timm/resnet", "verified", seconds=1.5)
    journal.add(row)
    with path.open("a") as file:
        file.write(json.dumps({**replace(row, name="timm/old").to_json(), "code": "other"}) + "\n")
    assert Journal(path, fresh=False).rows() == {"timm/resnet": row}
    assert Journal(path, fresh=True).rows() == {}


def test_the_page_has_totals_and_reasons() -> None:
    rows = [
        Row("timm/a", "verified", "export", 10, 3, 12, 0.5),
        Row("timm/b", "refused", reason="no rule | for this"),
        Row("hf/c", "wrong", "concrete", reason="P3"),
    ]
    page = markdown(rows, {"timm/b": "because"}, 3)
    assert "| timm | 2 | 1 | 0 | 1 | 0 | 0.5 s |" in page
    assert "| **all** | 3 | 1 | 1 | 1 | 0 |" in page
    assert "| timm/b | refused | because |" in page
    assert "| hf/c | wrong | P3 |" in page


def test_the_command_sweeps_some_models_and_says_how_it_went(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.sweep", "--jobs", "1", "--seeds", "1"]
    command += ["--journal", str(tmp_path / "j.jsonl"), "zoo/linear"]
    for _ in range(2):  # the second time everything is in the journal
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "verified; 0 unexpected results" in done.stdout
    none = subprocess.run(
        [*command[:-1], "nothing/"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (none.returncode, "no model starts with nothing/" in none.stdout) == (2, True)
