"""Right graphs are proved, wrong ones are caught: one test for each kind of mistake."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import gmn_fx
from gmn_fx.errors import OracleError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Equality
from gmn_fx.symmetry import OracleReport, verify
from tests.symmetry import nets
from tests.symmetry.build import Draft, mlp, mlp_graph


def run(model, graph, *args, **options) -> OracleReport:
    return verify(model, graph, args, **options)


def rows(report: OracleReport) -> dict[str, str]:
    return {row.group: row.title for row in report.orbits if row.group}


X4 = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
IMAGE = torch.randn(2, 2, 3, 3, generator=torch.Generator().manual_seed(0))
TOKENS = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
IDS = torch.arange(14).reshape(2, 7) % 7


def test_mlp_is_proved():
    model = mlp(4, 8, 6, 3)
    report = run(model, mlp_graph(model), X4)
    assert report.ok
    assert report.raise_if_failed() is report
    assert report.max_error < 1e-13
    assert report.moved_parameters > 80
    assert report.seeds == 3
    assert [c.verdict for c in report.column_controls if c.column == "label"] == ["caught"]
    assert all(control.reacts for control in report.slot_controls)
    hidden = next(row for row in report.orbits if row.group == "2")
    assert (hidden.orbits, hidden.free, hidden.sizes, hidden.exact) == (1, 6, ((6, 1),), True)
    assert rows(report)["2"] == "hidden units"
    assert rows(report)["4"] == "units (fixed)"


def test_transposed_layer_is_caught():
    model = mlp(4, 6, 6, 3)
    graph = mlp_graph(model)
    wrong = tuple(
        replace(b, src=b.src, view=IndexMap.from_array(b.view.array().T))
        if b.slot == "2.weight"
        else b
        for b in graph.bundles
    )
    report = run(model, replace(graph, bundles=wrong), X4)
    assert not report.ok
    assert report.problems[0].startswith("P3")
    assert any("2.weight" in culprit.slots for culprit in report.culprits)
    assert "THE GRAPH IS WRONG" in str(report)
    with pytest.raises(OracleError, match="does not mean the network"):
        report.raise_if_failed()


def test_layer_on_the_edges_of_another_is_caught():
    model = mlp(4, 6, 6, 3)
    graph = mlp_graph(model)
    first = next(b for b in graph.bundles if b.slot == "2.weight")
    # The third layer reads the first hidden layer instead of the second.
    wrong = tuple(
        replace(b, src=IndexMap(b.src.shape, first.src.offset, b.src.strides))
        if b.slot == "4.weight"
        else b
        for b in graph.bundles
    )
    assert not run(model, replace(graph, bundles=wrong), X4).ok


def test_dropped_activation_is_caught():
    model = nets.TwoBranches()
    report = run(model, nets.two_branches_graph(model), X4)
    assert report.ok
    assert {c.column: c.verdict for c in report.column_controls}["history"] == "caught"
    assert not run(model, nets.two_branches_graph(model, ("", "")), X4).ok


def test_swapped_operands_are_caught():
    model = nets.Gated()
    assert run(model, nets.gated_graph(model), X4).ok
    # Without the activation either operand order is sound; without both, the branches blur.
    assert run(model, nets.gated_graph(model, history=""), X4).ok
    assert not run(model, nets.gated_graph(model, history="", operands=(-1, -1)), X4).ok


def test_forgotten_labels_are_caught():
    model = nets.ConvFlatten().eval()
    report = run(model, nets.conv_flatten_graph(model), IMAGE)
    assert report.ok
    assert {c.column: c.verdict for c in report.column_controls}["label"] == "caught"
    for mistake in ({"offsets": False}, {"positions": False}):
        wrong = run(model, nets.conv_flatten_graph(model, **mistake), IMAGE)
        assert not wrong.ok, mistake


def test_running_statistics_move_with_their_channels():
    model = nets.ConvFlatten().eval()
    report = run(model, nets.conv_flatten_graph(model), IMAGE)
    assert {"bn.running_mean", "bn.running_var"} <= set(report.slots_moved)


class TwoPairs(nn.Module):
    """A sum of two outer products."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(3, 4, bias=False) for _ in range(4))

    def forward(self, x):
        pairs = ((self.a, self.b), (self.c, self.d))
        return sum(torch.einsum("ni,nj->nij", f(x), g(x)) for f, g in pairs).square().sum((1, 2))


def test_an_exchange_that_two_others_hide_is_caught():
    """Exchanging (a, c) and (b, d) at once is right; a graph that allows one alone is not."""
    torch.manual_seed(0)
    model = TwoPairs()
    x = X4[:, :3]
    graph = gmn_fx.extract(model, (x,))
    assert run(model, graph, x, seeds=1, controls=False).ok
    untied = replace(graph, bundles=tuple(b for b in graph.bundles if b.op != "outer"))
    report = run(model, untied, x, seeds=1, controls=False)
    assert not report.ok
    (trial,) = report.trials
    assert trial.small > 0


def test_missing_skip_is_caught():
    model = nets.Residual()
    x = torch.randn(4, 3)
    report = run(model, nets.residual_graph(model), x)
    assert report.ok
    assert "channels (residual stream)" in [row.title for row in report.orbits]
    assert not run(model, nets.residual_graph(model, skips=False), x).ok


def test_heads_and_units_within_heads():
    model = nets.Attention(heads=3, groups=3, size=4)
    report = run(model, nets.attention_graph(model), TOKENS)
    assert report.ok
    assert report.max_error < 1e-12, "casts to float32 must not cost precision"
    assert rows(report)["scores"] == "heads"
    assert rows(report)["q"] == rows(report)["v"] == "units within heads (3 x 4)"


def test_grouped_queries_have_structured_cells():
    model = nets.Attention(heads=6, groups=3, size=2)
    report = run(model, nets.attention_graph(model), TOKENS)
    assert report.ok
    assert all(trial.moved_parameters > 0 for trial in report.trials)
    assert all(row.exact for row in report.orbits)
    assert rows(report)["scores"] == "heads within groups (3 x 2)"
    assert rows(report)["k"] == "units within heads (3 x 2)"


def test_values_cut_from_their_heads_are_caught():
    model = nets.Attention(heads=3, groups=3, size=4)
    assert not run(model, nets.attention_graph(model, softmax=False), TOKENS).ok


def test_tied_table_moves_as_one():
    model = nets.TiedLanguageModel()
    report = run(model, nets.tied_graph(model), IDS)
    assert report.ok
    assert "table.weight" in report.slots_moved
    # Without the skip only the shared parameters hold the two ends of the stream together.
    alone = run(model, nets.tied_graph(model, stream=False), IDS)
    assert alone.ok
    free = replace(alone.orbits[1], group="")
    assert free.free == 4


def test_dropout_in_training_mode():
    layers = mlp(4, 8, 3)
    model = nn.Sequential(layers[0], layers[1], nn.Dropout(0.5), layers[2]).train()
    graph = mlp_graph(nn.Sequential(layers[0], layers[1], nn.Identity(), layers[2]))
    assert run(model, graph, X4).ok


def test_half_precision_models_are_judged_in_double():
    model = mlp(4, 8, 3).to(torch.bfloat16)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    report = run(model, mlp_graph(model), X4.to(torch.bfloat16))
    assert report.ok
    assert report.max_error < 1e-13
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model[0].weight.dtype == torch.bfloat16


def test_lstm_sees_the_permuted_weights():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(4, 5, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[0]

    model = Net()
    draft = Draft().slots_of(model)
    x = draft.group("input", "input", 4, pinned=True)
    h = draft.group("state", "lstm", 5)
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        source = {"weight_ih_l0": x[None], "weight_hh_l0": h[None]}.get(name)
        if source is None:
            source = draft.group("bias", "bias", 1)[None]
        view = np.arange(20 * source.size).reshape(4, 5, source.size)
        gate = np.arange(4)[:, None, None]
        draft.edges(
            "weight", "lstm", source[None], h[None, :, None], f"lstm.{name}", view=view, label=gate
        )
    report = run(model, draft.build(), torch.randn(2, 3, 4))
    # The hidden state is the output: units are not free, and the oracle sees it.
    assert not report.ok
    assert any("lstm.weight_hh_l0" in culprit.slots for culprit in report.culprits)


def test_parameter_wrongly_called_unused_is_caught():
    model = mlp(4, 6, 3)
    graph = mlp_graph(model)
    kept = tuple(b for b in graph.bundles if b.slot != "2.bias")
    slots = tuple(replace(s, used=s.name != "2.bias") for s in graph.slots)
    report = run(model, replace(graph, bundles=kept, slots=slots), X4)
    assert not report.ok
    assert "P1" in " ".join(report.problems)
    assert "2.bias" in " ".join(report.problems)


def test_kwargs_and_further_examples():
    model = mlp(4, 6, 3)
    graph = mlp_graph(model)
    assert verify(model, graph, None, {"input": X4}, controls=False).ok
    assert verify(model, graph, (X4,), inputs=[((X4[:1],), {})], controls=False).ok


def test_json_is_plain():
    model = nets.Gated()
    report = run(model, nets.gated_graph(model, history="", operands=(-1, -1)), X4)
    plain = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert plain["ok"] is False
    assert plain["orbits"][0]["title"] == "inputs (fixed)"


def test_same_report_twice():
    model = nets.Attention()
    graph = nets.attention_graph(model)
    assert str(run(model, graph, TOKENS)) == str(run(model, graph, TOKENS))


class Constant(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.a = nn.Linear(4, 3, bias=False)
        self.value = value

    def forward(self, x):
        return self.value(x, self.a(x))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda x, y: y * float("nan"), "NaN or infinite"),
        (lambda x, y: None, "returns no tensor"),
        (lambda x, y: x @ y, "cannot run the model"),
        (lambda x, y: y + torch.empty(1).fill_(next(COUNTER)), "not deterministic"),
    ],
)
def test_unusable_models_are_refused_by_name(result, message):
    model = Constant(result)
    draft = Draft().slots_of(model)
    x = draft.group("input", "input", 4, pinned=True)
    draft.linear("a", x, draft.group("neuron", "linear", 3, pinned=True))
    with pytest.raises(OracleError, match=message):
        run(model, draft.build(), X4)


class _Counter:
    def __init__(self) -> None:
        self.value = 0

    def __next__(self) -> int:
        self.value += 1
        return self.value

    def __deepcopy__(self, memo):
        return self


COUNTER = _Counter()


def test_output_that_ignores_the_weights_is_a_problem():
    model = Constant(lambda x, y: x)
    draft = Draft().slots_of(model)
    x = draft.group("input", "input", 4, pinned=True)
    draft.linear("a", x, draft.group("neuron", "linear", 3, pinned=True))
    report = run(model, draft.build(), X4)
    assert not report.ok
    assert "no slot reacts" in " ".join(report.problems)


def test_unusable_calls():
    model = mlp(4, 6, 3)
    graph = mlp_graph(model)
    with pytest.raises(OracleError, match="example inputs"):
        verify(model, graph)
    with pytest.raises(OracleError, match="at least one seed"):
        run(model, graph, X4, seeds=0)
    raw = replace(graph, equalities=(Equality(IndexMap.arange(1), IndexMap.arange(1, 1)),))
    with pytest.raises(OracleError, match="raw"):
        run(model, raw, X4)
    with pytest.raises(OracleError, match="no such entry"):
        run(nn.Linear(4, 3), graph, X4)
    with pytest.raises(OracleError, match="meta device"):
        run(mlp(4, 6, 3).to("meta"), graph, X4)
    with pytest.raises(OracleError, match="in the graph and"):
        run(mlp(4, 7, 3), graph, X4)


def test_complex_and_integer_slots():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(5, 4, dtype=torch.complex64))
            self.v = nn.Parameter(torch.randn(3, 5))
            self.register_buffer("steps", torch.tensor([2**60 + 1]))

        def forward(self, x):
            assert int(self.steps) == 2**60 + 1
            return (x.to(self.w.dtype) @ self.w.T).abs() @ self.v.T

    model = Net()
    draft = Draft().slots_of(model)
    x = draft.group("input", "input", 4, pinned=True)
    h = draft.group("neuron", "linear", 5)
    y = draft.group("neuron", "linear", 3, pinned=True)
    draft.edges("weight", "linear", x[None, :], h[:, None], "w")
    draft.edges("weight", "linear", h[None, :], y[:, None], "v", history="abs")
    report = run(model, draft.build(), X4)
    assert report.ok
    assert report.slots_moved == ("w", "v")


class HoldsAFunction(nn.Module):
    """Reads its own weight through a closure, which `copy.deepcopy` takes as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 5, bias=False)
        self.back = lambda t: t @ self.layer.weight

    def forward(self, x):
        return self.back(torch.relu(self.layer(x)))


def test_a_function_held_by_the_model_sees_the_weights_of_the_copy():
    import gmn_fx

    model, x = HoldsAFunction(), torch.randn(2, 3)
    before = model.layer.weight.clone()
    report = verify(model, gmn_fx.extract(model, (x,)), (x,))
    assert report.ok, report.problems
    assert report.moved_parameters > 0
    assert torch.equal(model.layer.weight, before)
