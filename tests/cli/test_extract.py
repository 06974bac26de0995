"""gmn-extract, from good models to every kind of bad input."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

import gmn_fx
from tests.cli.conftest import Gmn, Write

CONV = """
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.head = nn.Linear(4, 2)

        def forward(self, image):
            return self.head(self.conv(image).relu().mean((2, 3)))
"""
UNKNOWN_OP = """
    import torch
    from torch import nn

    @torch.library.custom_op("gmn_cli_test::mystery", mutates_args=())
    def mystery(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return x @ w

    @mystery.register_fake
    def _(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return x.new_empty(x.shape[0], w.shape[1])

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(3, 4))

        def forward(self, x):
            return mystery(x, self.w)

    model = Net()
    example_inputs = (torch.randn(2, 3),)
"""


def test_a_model_becomes_a_graph(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    out = tmp_path / "g.pt"
    outcome = gmn("extract", mlp, "--out", out)
    assert outcome.code == 0, outcome.err
    assert "inputs: " in outcome.err
    assert "capture: " in outcome.err
    assert f"wrote {out}" in outcome.err
    assert "26" in outcome.out
    graph = gmn_fx.load(out)
    assert graph.name == "tiny_mlp"
    assert graph.num_parameters == 26
    assert sorted(os.listdir(tmp_path)) == ["g.pt", "tiny_mlp.py"]


def test_the_default_output_is_graph_pt(
    gmn: Gmn, mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert gmn("extract", mlp, "--quiet").code == 0
    assert (tmp_path / "graph.pt").is_file()


def test_quiet_prints_nothing(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    outcome = gmn("extract", mlp, "--out", tmp_path / "g.pt", "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


def test_stdout_is_plain_text(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    outcome = gmn("extract", mlp, "--out", tmp_path / "g.pt")
    assert "\x1b" not in outcome.out + outcome.err


def test_json_is_all_of_stdout(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    outcome = gmn("extract", mlp, "--out", tmp_path / "g.pt", "--json", "--verify")
    facts = json.loads(outcome.out)
    assert facts["parameters"] == 26
    assert facts["coverage"] == 1.0
    assert facts["oracle"]["ok"] is True
    assert facts["unused"] == {}


def test_what_a_model_prints_does_not_spoil_the_json(
    gmn: Gmn, write: Write, tmp_path: Path
) -> None:
    chatty = write(
        "chatty.py",
        """
        from torch import nn

        print("imported")

        class Net(nn.Linear):
            def forward(self, x):
                print("called")
                return super().forward(x)

        model = Net(3, 2)
        """,
    )
    outcome = gmn("extract", chatty, "--out", tmp_path / "g.pt", "--json", "--verify")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["parameters"] == 8
    assert "imported" in outcome.err
    assert json.loads(gmn("verify", tmp_path / "g.pt", chatty, "--json").out)["ok"] is True


def test_verify_prints_the_orbits(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    outcome = gmn("extract", mlp, "--out", tmp_path / "g.pt", "--verify")
    assert outcome.code == 0, outcome.err
    assert "the graph means the network" in outcome.out
    assert "orbits" in outcome.out


def test_entry_and_inputs(gmn: Gmn, write: Write, tmp_path: Path) -> None:
    model = write("conv_net.py", CONV)
    options = ("--entry", "Net", "--input", "image:1x3x9x9", "--out", tmp_path / "g.pt")
    outcome = gmn("extract", model, *options)
    assert outcome.code == 0, outcome.err
    assert "1x3x9x9" in outcome.err


def test_weights_are_bound(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    state = {
        "0.weight": torch.full((4, 3), 2.0), "0.bias": torch.zeros(4),
        "2.weight": torch.ones(2, 4), "2.bias": torch.zeros(2),
    }  # fmt: skip
    torch.save(state, tmp_path / "w.pt")
    outcome = gmn("extract", mlp, "--weights", tmp_path / "w.pt", "--out", tmp_path / "g.pt")
    assert outcome.code == 0, outcome.err
    bound = gmn_fx.load(tmp_path / "g.pt").to_state_dict()
    assert all(torch.equal(bound[name], value) for name, value in state.items())


def test_meta_has_structure_and_no_values(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    outcome = gmn("extract", mlp, "--meta", "--out", tmp_path / "meta.pt")
    assert outcome.code == 0, outcome.err
    assert gmn("extract", mlp, "--out", tmp_path / "real.pt").code == 0
    meta, real = gmn_fx.load(tmp_path / "meta.pt"), gmn_fx.load(tmp_path / "real.pt")
    assert not meta.values
    assert meta.signature == real.signature


def test_meta_and_verify_exclude_each_other(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    outcome = gmn("extract", mlp, "--meta", "--verify", "--out", tmp_path / "g.pt")
    assert outcome.code == 2
    assert "--meta has none" in outcome.err


def test_an_exported_program(gmn: Gmn, tmp_path: Path) -> None:
    program = torch.export.export(torch.nn.Linear(3, 2), (torch.randn(2, 3),))
    torch.export.save(program, tmp_path / "net.pt2")
    outcome = gmn("extract", tmp_path / "net.pt2", "--out", tmp_path / "g.pt", "--verify")
    assert outcome.code == 0, outcome.err


def test_passes_can_be_listed(gmn: Gmn) -> None:
    outcome = gmn("extract", "--list-passes")
    assert outcome.code == 0, outcome.err
    for name in ("canonicalise", "collapse-weight-sharing", "pipeline exact: "):
        assert name in outcome.out


def test_passes_can_be_watched(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    options = ("--time-passes", "--print-after", "build", "--out", tmp_path / "g.pt")
    outcome = gmn("extract", mlp, *options)
    assert outcome.code == 0, outcome.err
    assert "// after build" in outcome.out
    assert "// after canonicalise" not in outcome.out
    assert "canonicalise" in outcome.err
    assert " ms " in outcome.err
    everything = gmn("extract", mlp, "--print-after", "all", "--out", tmp_path / "g.pt")
    assert "// after canonicalise" in everything.out


def test_unknown_passes_are_listed_with_near_names(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    options = ("--passes", "canonicalize,nonsense", "--out", tmp_path / "g.pt")
    outcome = gmn("extract", mlp, *options)
    assert outcome.code == 2
    assert "canonicalise" in outcome.err
    assert "nonsense" in outcome.err
    assert not (tmp_path / "g.pt").exists()


def test_printing_after_an_unknown_pass_is_refused(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    outcome = gmn("extract", mlp, "--print-after", "nonsense", "--out", tmp_path / "g.pt")
    assert outcome.code == 2
    assert "nonsense" in outcome.err


def test_an_op_without_a_rule(gmn: Gmn, write: Write, tmp_path: Path) -> None:
    model = write("mystery_net.py", UNKNOWN_OP)
    outcome = gmn("extract", model, "--out", tmp_path / "g.pt")
    assert outcome.code == 6
    for part in ("mystery", "mystery_net.py:", "@plugin.lowering(", "--on-unsupported opaque"):
        assert part in outcome.err
    assert not (tmp_path / "g.pt").exists()
    opaque = gmn("extract", model, "--on-unsupported", "opaque", "--out", tmp_path / "g.pt")
    assert opaque.code == 0, opaque.err


def test_a_failing_pass_leaves_a_reproducer(gmn: Gmn, write: Write, tmp_path: Path) -> None:
    model = write(
        "failing_pass.py",
        """
        from dataclasses import dataclass
        from typing import ClassVar
        from torch import nn
        import gmn_fx

        plugin = gmn_fx.Plugin("acme")

        @plugin.register_pass
        @dataclass(frozen=True)
        class Fail(gmn_fx.Pass):
            '''Always fail.'''
            name: ClassVar[str] = "fail"

            def apply(self, ir):
                raise ValueError("as promised")

        model = nn.Linear(3, 2)
        """,
    )
    file = tmp_path / "it.repro.txt"
    options = ("--passes", "fail,exact", "--reproducer", file, "--out", tmp_path / "g.pt")
    outcome = gmn("extract", model, *options)
    assert outcome.code == 11
    for part in ("'fail'", "acme", "as promised", "it.repro.txt"):
        assert part in outcome.err
    assert "// passes: fail" in file.read_text()


def test_dense_files_hold_the_arrays(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    gmn("extract", mlp, "--out", tmp_path / "thin.pt")
    gmn("extract", mlp, "--dense", "--out", tmp_path / "dense.pt")
    thin = torch.load(tmp_path / "thin.pt", weights_only=True)
    dense = torch.load(tmp_path / "dense.pt", weights_only=True)
    assert set(thin) < set(dense)
    assert gmn_fx.load(tmp_path / "dense.pt") == gmn_fx.load(tmp_path / "thin.pt")


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        (None, 3, "bad_model.py"),
        ("syntax error here", 3, "bad_model.py"),
        ("import not_a_module_anywhere", 3, "not_a_module_anywhere"),
        ("raise RuntimeError('boom at import')", 3, "boom at import"),
        ("x = 1", 3, "bad_model.py"),
        ("from torch import nn\na = nn.Linear(1, 1)\nb = nn.Linear(2, 2)", 3, "--entry"),
    ],
)
def test_bad_model_files(
    gmn: Gmn, write: Write, tmp_path: Path, source: str | None, code: int, said: str
) -> None:
    path = tmp_path / "bad_model.py" if source is None else write("bad_model.py", source)
    outcome = gmn("extract", path, "--out", tmp_path / "g.pt")
    assert outcome.code == code, outcome.err
    assert outcome.err.startswith("error: ")
    assert said in outcome.err
    assert outcome.out == ""
    assert not (tmp_path / "g.pt").exists()


def test_inputs_on_which_the_model_cannot_run(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    outcome = gmn("extract", mlp, "--input", "2x7", "--out", tmp_path / "g.pt")
    assert outcome.code == 4
    assert "2x7" in outcome.err
    assert "--input" in outcome.err


@pytest.mark.parametrize("spec", ["2xthree", "2x3:floaty", ""])
def test_inputs_that_do_not_parse(gmn: Gmn, mlp: Path, tmp_path: Path, spec: str) -> None:
    assert gmn("extract", mlp, "--input", spec, "--out", tmp_path / "g.pt").code == 2


def test_weights_that_do_not_fit(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    torch.save({"0.weight": torch.zeros(5, 3), "extra": torch.zeros(1)}, tmp_path / "w.pt")
    outcome = gmn("extract", mlp, "--weights", tmp_path / "w.pt", "--out", tmp_path / "g.pt")
    assert outcome.code == 3
    for part in ("0.weight", "5x3", "4x3", "2.bias", "extra"):
        assert part in outcome.err


def test_unreadable_weights(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"nonsense")
    outcome = gmn("extract", mlp, "--weights", tmp_path / "w.pt", "--out", tmp_path / "g.pt")
    assert outcome.code == 9
    outcome = gmn("extract", mlp, "--weights", tmp_path / "none.pt", "--out", tmp_path / "g.pt")
    assert outcome.code == 9


def test_no_target(gmn: Gmn) -> None:
    outcome = gmn("extract")
    assert outcome.code == 2
    assert "TARGET is missing" in outcome.err


@pytest.mark.parametrize("option", ["--out", "--svg", "--reproducer"])
def test_unwritable_outputs_are_found_before_any_work(
    gmn: Gmn, tmp_path: Path, option: str
) -> None:
    outcome = gmn("extract", tmp_path / "never_read.py", option, tmp_path / "no" / "such" / "x")
    assert outcome.code == 9
    assert "never_read" not in outcome.err


def test_an_interrupted_run_leaves_nothing(
    gmn: Gmn, mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    outcome = gmn("extract", mlp, "--out", tmp_path / "g.pt")
    assert outcome.code == 130
    assert sorted(os.listdir(tmp_path)) == ["tiny_mlp.py"]


def test_without_a_renderer_the_graph_is_still_written(
    gmn: Gmn, mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_renderer(*_: object, **__: object) -> None:
        raise gmn_fx.DrawError("no renderer", hint="install one")

    monkeypatch.setattr(gmn_fx, "draw", no_renderer)
    options = ("--out", tmp_path / "g.pt", "--svg", tmp_path / "g.svg")
    outcome = gmn("extract", mlp, *options)
    assert outcome.code == 10
    assert "no renderer" in outcome.err
    assert "is written" in outcome.err
    assert gmn_fx.load(tmp_path / "g.pt").num_parameters == 26


def test_it_draws(gmn: Gmn, mlp: Path, tmp_path: Path) -> None:
    options = ("--out", tmp_path / "g.pt", "--svg", tmp_path / "g.svg")
    outcome = gmn("extract", mlp, *options)
    assert outcome.code == 0, outcome.err
    assert "<svg" in (tmp_path / "g.svg").read_text()


def test_a_rule_in_the_model_file_is_used(gmn: Gmn, write: Write, tmp_path: Path) -> None:
    rule = """
    import gmn_fx
    from gmn_fx.lowering.contract import Axes, contract

    plugin = gmn_fx.Plugin("in-file")

    @plugin.lowering(Net)
    def lower(b, module, x):
        axes = Axes(x="ni", w="io", out="no")
        return contract(b, b.as_act(x), b.param("w"), axes, b.shape, op="linear")
    """
    model = write("ruled_net.py", UNKNOWN_OP.replace("gmn_cli_test", "gmn_cli_rule") + rule)
    outcome = gmn("extract", model, "--verify", "--out", tmp_path / "g.pt")
    assert outcome.code == 0, outcome.err
