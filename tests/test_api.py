"""extract, verify, draw and load as Python functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gmn_fx


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.last = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor, scale: torch.Tensor | None = None) -> torch.Tensor:
        hidden = self.norm(self.first(x)).tanh()
        return self.last(hidden if scale is None else hidden * scale)


def test_inputs_are_inferred_or_given() -> None:
    model = Net().eval()
    inferred = gmn_fx.extract(model)
    given = gmn_fx.extract(model, (torch.randn(7, 3),))
    named = gmn_fx.extract(model, kwargs={"x": torch.randn(2, 3)})
    assert inferred.signature == given.signature == named.signature


def test_values_are_the_models_own_tensors() -> None:
    model = Net().eval()
    graph = gmn_fx.extract(model)
    for name, value in graph.values.items():
        assert value.data_ptr() == model.state_dict()[name].data_ptr()
        assert not value.requires_grad


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training: bool) -> None:
    model = Net().train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    graph = gmn_fx.extract(model, (torch.randn(4, 3, generator=torch.Generator()),))
    assert gmn_fx.verify(model, graph, (torch.ones(4, 3),), seeds=1).trials
    assert model.training is training
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_a_model_on_meta_gives_structure_without_values() -> None:
    with torch.device("meta"):
        model = Net().eval()
    graph = gmn_fx.extract(model, (torch.randn(2, 3),))
    assert not graph.values
    assert graph.signature == gmn_fx.extract(Net().eval(), (torch.randn(2, 3),)).signature


def test_an_exported_program_brings_its_inputs() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    program = torch.export.export(model, (torch.randn(2, 3),))
    graph = gmn_fx.extract(program)
    assert [slot.name for slot in graph.slots] == list(model.state_dict())
    assert gmn_fx.verify(model, graph, (torch.randn(2, 3),)).ok


def test_hooks_are_told_what_happens(tmp_path: Path) -> None:
    stages: list[str] = []
    inputs: list[str] = []
    programs: list[gmn_fx.Program] = []
    passes: list[tuple[str, type, bool]] = []

    def after(name: str, ir: Any, seconds: float, changed: bool) -> None:
        assert seconds >= 0
        passes.append((name, type(ir), changed))

    hooks = gmn_fx.Hooks(
        stage=stages.append, inputs=inputs.append, captured=programs.append, after=after
    )
    gmn_fx.extract(Net().eval(), name="mine", hooks=hooks)
    assert stages == ["find example inputs", "capture", "lower", "verify the graph"]
    assert len(inputs) == 1
    assert "x3" in inputs[0]
    assert [program.name for program in programs] == ["mine"]
    names = [name for name, _, _ in passes]
    assert names[0] == "canonicalise"
    assert names[-1] == "number-layers"
    at = names.index("build")
    assert {kind for _, kind, _ in passes[:at]} == {gmn_fx.Program}
    assert {kind for _, kind, _ in passes[at:]} == {gmn_fx.ParameterGraph}


def test_passes_as_text_and_as_values_agree() -> None:
    from gmn_fx.registry import load_registry, parse_spec

    model = Net().eval()
    spec = load_registry().pipelines["exact"]
    values = parse_spec(spec, load_registry())
    by_text = gmn_fx.extract(model, passes=spec)
    by_value = gmn_fx.extract(model, passes=values)
    assert by_text == by_value == gmn_fx.extract(model)


def test_a_plugin_for_one_call_wins_and_leaves_no_trace() -> None:
    class Twice(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + x

    plugin = gmn_fx.Plugin("one-call")
    seen = []

    @plugin.lowering(Twice)
    def lower(b: Any, module: Twice, x: Any) -> Any:
        seen.append(module)
        return b.step(b.as_act(x), "twice")

    model = nn.Sequential(nn.Linear(3, 4), Twice(), nn.Linear(4, 2))
    graph = gmn_fx.extract(model, plugins=[plugin])
    assert any("twice" in history for history in graph.histories)
    assert gmn_fx.verify(model, graph).ok
    gmn_fx.extract(model)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"args": torch.randn(2, 3)}, "give a tuple"),
        ({"capture": "magic"}, "capture='magic'"),
        ({"on_unsupported": "shrug"}, "on_unsupported='shrug'"),
        ({"passes": "nonsense"}, "nonsense"),
        ({"passes": ["canonicalise"]}, "not a pass"),
        ({"plugins": ["acme"]}, "plugins holds a str"),
        ({"passes": "canonicalise"}, "does not end in a parameter graph"),
    ],
)
def test_unusable_arguments(options: dict[str, Any], said: str) -> None:
    with pytest.raises(gmn_fx.UsageError, match=said):
        gmn_fx.extract(Net().eval(), **options)


def test_something_that_is_no_model() -> None:
    with pytest.raises(gmn_fx.UsageError, match="model is a dict"):
        gmn_fx.extract({"weight": torch.zeros(2, 2)})  # type: ignore[arg-type]


def test_draw_returns_and_writes(tmp_path: Path) -> None:
    graph = gmn_fx.extract(Net().eval())
    text = gmn_fx.draw(graph, tmp_path / "net.svg", view="architecture")
    assert "<svg" in text
    assert (tmp_path / "net.svg").read_text() == text
    assert "digraph" in gmn_fx.draw(graph, tmp_path / "net.dot")


def test_save_and_load(tmp_path: Path) -> None:
    graph = gmn_fx.extract(Net().eval())
    graph.save(tmp_path / "net.pt")
    assert gmn_fx.load(tmp_path / "net.pt") == graph
