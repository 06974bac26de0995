"""gmn-verify, gmn-info and gmn-draw, and the installed scripts themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

import gmn_fx
from tests.cli.conftest import Gmn, Write

COMMANDS = ("gmn-extract", "gmn-verify", "gmn-info", "gmn-draw")


def script(name: str) -> Path:
    """The installed script beside this interpreter."""
    return Path(sys.executable).with_name(name)


def test_verify_a_graph_and_its_model(gmn: Gmn, graph: Path, mlp: Path) -> None:
    outcome = gmn("verify", graph, mlp)
    assert outcome.code == 0, outcome.err
    assert "the graph means the network" in outcome.out
    assert "orbits" in outcome.out
    assert "negative controls" in outcome.out


def test_verify_a_model_alone(gmn: Gmn, mlp: Path) -> None:
    outcome = gmn("verify", mlp, "--seeds", 2, "--json")
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    assert report["ok"] is True
    assert len(report["trials"]) == 2


def test_verify_refuses_a_graph_that_means_another_network(
    gmn: Gmn, graph: Path, write: Write
) -> None:
    # Same parameters, but the hidden units have positions: a reversal is not a symmetry.
    other = write(
        "other_net.py",
        """
        import torch
        from torch import nn

        class Net(nn.Sequential):
            def forward(self, x):
                hidden = self[1](self[0](x)) * torch.arange(1.0, 5.0)
                return self[2](hidden)

        model = Net(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        """,
    )
    outcome = gmn("verify", graph, other)
    assert outcome.code == 8
    assert "THE GRAPH IS WRONG" in outcome.out
    assert outcome.err.count("error: ") == 1


def test_verify_refuses_another_architecture(gmn: Gmn, graph: Path, write: Write) -> None:
    other = write("wide.py", "from torch import nn\nmodel = nn.Linear(3, 7)\n")
    outcome = gmn("verify", graph, other)
    assert outcome.code == 8
    assert outcome.err.startswith("inputs: ")
    assert "error: " in outcome.err


def test_verify_says_how_to_call_it(gmn: Gmn, graph: Path) -> None:
    assert "model.py" in gmn("verify", graph).err
    assert gmn("verify", graph).code == 2
    assert gmn("verify").code == 2
    assert gmn("verify", "a", "b", "c").code == 2


def test_info_shows_groups_bundles_and_counts(gmn: Gmn, graph: Path) -> None:
    outcome = gmn("info", graph)
    assert outcome.code == 0, outcome.err
    for part in ("groups", "bundles", "0.weight", "2.bias", "100 %", "26"):
        assert part in outcome.out


def test_info_as_json(gmn: Gmn, graph: Path) -> None:
    facts = json.loads(gmn("info", graph, "--json").out)
    loaded = gmn_fx.load(graph)
    assert facts["nodes"] == loaded.num_nodes
    assert facts["edges"] == loaded.num_edges
    assert len(facts["group_table"]) == len(loaded.groups)
    assert len(facts["bundle_table"]) == len(loaded.bundles)
    assert facts["signature"] == loaded.signature


def test_info_text_parses(gmn: Gmn, graph: Path) -> None:
    text = gmn("info", graph, "--text").out
    assert gmn_fx.ParameterGraph.parse(text).signature == gmn_fx.load(graph).signature


def test_info_cuts_long_tables(gmn: Gmn, write: Write, tmp_path: Path) -> None:
    deep = write(
        "deep.py",
        "from torch import nn\nmodel = nn.Sequential(*[nn.Linear(2, 2) for _ in range(60)])\n",
    )
    gmn("extract", deep, "--out", tmp_path / "deep.pt")
    assert "--all shows them" in gmn("info", tmp_path / "deep.pt").err
    everything = gmn("info", tmp_path / "deep.pt", "--all")
    assert everything.err == ""
    assert "59.weight" in everything.out


@pytest.mark.parametrize("command", ["info", "draw"])
def test_bad_graph_files(gmn: Gmn, tmp_path: Path, graph: Path, command: str) -> None:
    whole = graph.read_bytes()
    extra = ("--out", tmp_path / "x.svg") if command == "draw" else ()
    bad = tmp_path / "bad.pt"
    torch.save({"something": torch.zeros(1)}, bad)
    assert gmn(command, bad, *extra).code == 9
    for content in (b"", b"nonsense", whole[: len(whole) // 2]):
        bad.write_bytes(content)
        outcome = gmn(command, bad, *extra)
        assert outcome.code == 9, outcome.err
        assert outcome.err.count("error: ") == 1
    assert gmn(command, tmp_path / "missing.pt", *extra).code == 9


def test_a_malicious_graph_is_never_executed(gmn: Gmn, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"format": Trap()}, tmp_path / "trap.pt")
    outcome = gmn("info", tmp_path / "trap.pt")
    assert outcome.code == 9
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("view", ["auto", "architecture", "neuron"])
def test_draw(gmn: Gmn, graph: Path, tmp_path: Path, view: str) -> None:
    out = tmp_path / f"{view}.svg"
    outcome = gmn("draw", graph, "--out", out, "--view", view)
    assert outcome.code == 0, outcome.err
    assert "<svg" in out.read_text()
    assert f"wrote {out}" in outcome.err


def test_draw_dot_text(gmn: Gmn, graph: Path, tmp_path: Path) -> None:
    assert gmn("draw", graph, "--out", tmp_path / "g.dot", "--quiet").code == 0
    assert "digraph" in (tmp_path / "g.dot").read_text()


def test_draw_refuses_an_unknown_format(gmn: Gmn, graph: Path, tmp_path: Path) -> None:
    outcome = gmn("draw", graph, "--out", tmp_path / "g.xyz")
    assert outcome.code == 10
    assert ".svg" in outcome.err


@pytest.mark.parametrize("name", COMMANDS)
def test_installed_scripts_answer(name: str) -> None:
    shown = subprocess.run(
        [script(name), "--version"], capture_output=True, text=True, check=True, timeout=120
    )
    assert version("gmn-fx") in shown.stdout
    helped = subprocess.run(
        [script(name), "--help"], capture_output=True, text=True, check=True, timeout=120
    )
    assert "Usage: gmn-" in helped.stdout


def test_installed_scripts_run_from_end_to_end(mlp: Path, tmp_path: Path) -> None:
    def call(*argv: object) -> subprocess.CompletedProcess[str]:
        name, *rest = argv
        return subprocess.run(
            [script(str(name)), *map(str, rest)],
            capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300,
        )  # fmt: skip

    done = call("gmn-extract", mlp.name, "--out", "g.pt")
    assert done.returncode == 0, done.stderr
    done = call("gmn-verify", "g.pt", mlp.name)
    assert done.returncode == 0, done.stderr
    done = call("gmn-info", "g.pt")
    assert done.returncode == 0, done.stderr
    done = call("gmn-draw", "g.pt", "--out", "g.svg")
    assert done.returncode == 0, done.stderr
    done = call("gmn-info", "none.pt")
    assert done.returncode == 9
    assert done.stderr.startswith("error: ")


def test_a_reader_that_goes_away_is_no_error(graph: Path) -> None:
    command = f"'{script('gmn-info')}' '{graph}' --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=120
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 141)
