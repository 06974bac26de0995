"""Every rung ends in the same program; hard models are captured by some rung and left alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from gmn_fx.capture import RUNGS, capture, ladder
from gmn_fx.capture.export import trace_export
from gmn_fx.errors import CaptureError, InputError, UnsupportedTensorError, UsageError
from tests.capture import models as m
from tests.capture.helpers import assert_same_function, assert_untouched, fingerprint, targets


def x(*shape: int) -> torch.Tensor:
    return torch.randn(*(shape or (6, 4)), generator=torch.Generator().manual_seed(1))


def described(program):
    return [
        # functionalisation re-makes a view where it is first read, also in another module
        (n.name, n.op, str(n.target), "view" in n.name or n.meta["module"], n.meta["source"])
        for n in program.graph.nodes
        if n.op != "output"
    ]


@pytest.mark.parametrize("rung", RUNGS)
def test_every_rung_gives_the_same_program(rung):
    model, example = m.ConvNet().eval(), x(2, 3, 8, 8)
    before = fingerprint(model)
    program = capture(model, (example,), rung=rung)
    assert_untouched(before, model)
    assert program.rung == rung
    assert program.outputs == ("y", "z[0]")
    assert described(program) == described(capture(model, (example,), rung="export"))
    assert_same_function(program, model, (example,))


def test_metadata_of_a_node():
    program = capture(m.ConvNet().eval(), (x(2, 3, 8, 8),))
    linear = next(n for n in program.graph.nodes if str(n.target) == "aten.linear.default")
    assert linear.meta["module"] == "l"
    assert linear.meta["module_class"] == "torch.nn.modules.linear.Linear"
    assert linear.meta["source"].startswith("models.py:")
    assert linear.meta["torch_fn"][1].endswith("linear")
    assert linear.meta["val"].device.type == "meta"
    assert linear.meta["val"].shape == (2, 5)


def test_bindings_are_in_state_dict_order_and_complete():
    model = m.ConvNet().eval()
    program = capture(model, (x(2, 3, 8, 8),))
    names = [b.name for b in program.bindings.values()]
    assert names == [*model.state_dict(), "x"]
    kinds = {b.name: b.kind for b in program.bindings.values()}
    assert kinds["a.1.running_mean"] == "buffer"
    assert kinds["a.1.weight"] == "param"
    assert kinds["x"] == "input"
    assert [n.name for n in program.graph.nodes if n.op == "placeholder"] == list(program.bindings)


HARD = {
    "branch": (m.Branch, (x(),), "concrete"),
    "cond": (m.Cond, (x(),), "concrete"),
    "packed lstm": (m.Packed, (x(3, 5, 4), torch.tensor([5, 2, 3])), "concrete"),
    "packed gru": (lambda: m.Packed(nn.GRU), (x(3, 5, 4), torch.tensor([5, 2, 3])), "concrete"),
    "masked": (m.Masked, (x(),), "concrete"),
    "experts": (m.Experts, (x(),), "concrete"),
    "numpy": (m.ThroughNumpy, (x(),), "concrete"),
    "write through view": (m.WriteThroughView, (x(),), "export"),
    "attribute": (m.Attribute, (x(),), "export"),
    "complex": (m.Complex, (x(),), "export"),
    "unused": (m.Unused, (x(),), "export"),
    "zero size": (lambda: nn.Sequential(nn.Linear(4, 0), nn.Linear(0, 3)), (x(),), "export"),
    "lstm": (lambda: nn.LSTM(4, 5, 2, bidirectional=True), (x(5, 2, 4),), "export"),
    "gru": (lambda: nn.GRU(4, 5), (x(5, 2, 4),), "export"),
    "half": (lambda: nn.Linear(4, 4).half(), (x().half(),), "export"),
    "bfloat16": (lambda: nn.Linear(4, 4).bfloat16(), (x().bfloat16(),), "export"),
    "double": (lambda: nn.Linear(4, 4).double(), (x().double(),), "export"),
    "attention": (lambda: nn.MultiheadAttention(8, 2), (x(5, 2, 8),) * 3, "export"),
    "compiled": (lambda: torch.compile(nn.Linear(4, 4)), (x(),), "export"),
    "encoder": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
        (x(2, 5, 8),),
        "export",
    ),
    "weight norm": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), (x(),), "export",
    ),
    "spectral norm": (
        lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4)), (x(),), "export",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize("name", HARD)
def test_hard_models_are_captured_and_left_alone(name):
    build, args, rung = HARD[name]
    torch.manual_seed(0)
    model = build().eval()
    before = fingerprint(model)
    program = capture(model, args)
    assert_untouched(before, model)
    assert program.rung == rung
    assert_same_function(program, model, args)
    assert_untouched(before, model)
    assert all(n.meta["val"] is not None for n in program.graph.nodes if n.op == "call_function")


@pytest.mark.parametrize("name", ["attribute", "spectral norm", "encoder", "unused"])
def test_training_mode_is_kept(name):
    build, args, _ = HARD[name]
    model = build().train()
    before = fingerprint(model)
    capture(model, args)
    assert_untouched(before, model)


def test_dropout_stays_in_training_mode_and_random_state_is_kept():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    state = torch.get_rng_state()
    assert "aten.native_dropout.default" in targets(capture(model, (x(),)))
    assert torch.equal(state, torch.get_rng_state())
    assert "aten.native_dropout.default" not in targets(capture(model.eval(), (x(),)))


def test_no_fused_transformer_kernel():
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    with torch.no_grad():
        found = targets(capture(model, (x(2, 5, 8),)))
    assert not any("transformer" in t or "native_multi_head" in t for t in found)
    assert any("scaled_dot_product_attention" in t for t in found)
    assert torch.backends.mha.get_fastpath_enabled()


def test_ties_are_one_binding_with_aliases():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU())
    model.append(model[0])
    [binding] = [b for b in capture(model, (x(),)).bindings.values() if b.kind == "param"]
    assert (binding.name, binding.aliases) == ("0.weight", ("2.weight",))
    other = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    other[1].weight = other[0].weight
    program = capture(other, (x(),))
    [node] = [n for n in program.graph.nodes if n.name == "p_0_weight"]
    assert len(node.users) == 2


def test_ties_on_meta():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    program = capture(model, (x(),))
    assert [b.aliases for b in program.bindings.values() if b.kind == "param"] == [("1.weight",)]
    assert program.constants == {}


def test_constants_and_keyword_inputs():
    model, extra = m.Spelled().eval(), {"a": [torch.ones(4)]}
    program = capture(model, (x(),), {"extra": extra})
    kinds = {b.name: b.kind for b in program.bindings.values()}
    assert kinds["freqs"] == "constant"
    assert kinds["extra.a[0]"] == "input"
    assert "freqs" not in model.state_dict()
    values = [v.tolist() for v in program.constants.values()]
    assert [0.0, 1.0, 2.0, 3.0] in values
    assert [1.0, 2.0, 3.0, 4.0] in values


def test_unused_parameters_are_bound_and_named():
    program = capture(m.Unused(), (x(),))
    bound = {b.name: b.trainable for b in program.bindings.values() if b.kind == "param"}
    assert bound == {
        "f": False, "l.weight": True, "l.bias": True, "u.weight": True, "u.bias": True,
    }  # fmt: skip
    assert "parameters that the outputs do not depend on: f, u.weight, u.bias" in program.notes


def test_a_branch_is_recorded_as_specialised():
    program = capture(m.Branch(), (x(),))
    assert any("fixed as on the example inputs (export failed" in n for n in program.notes)
    assert any("b.weight, b.bias" in n for n in program.notes)
    assert any("cond was fixed to its true branch" in n for n in capture(m.Cond(), (x(),)).notes)


def test_sizes_and_places_that_data_decides_are_fixed():
    model = m.RepeatedByData()
    program = capture(model, (x(),))
    assert program.rung == "concrete"
    assert any("the sizes of these results were fixed" in note for note in program.notes)
    assert_same_function(program, model, (x(),))


def test_one_module_under_two_names_survives_a_real_run():
    model = m.OneLayerTwoNames()
    program = capture(model, (x(),))
    assert program.rung == "concrete"
    assert isinstance(model.first.weight, nn.Parameter)
    assert [b.aliases for b in program.bindings.values() if b.kind == "param"] == [
        ("second.weight",), ("second.bias",)]  # fmt: skip
    assert_same_function(program, model, (x(),))


def test_a_cache_of_an_earlier_forward_does_not_hide_parameters():
    model = m.EvalCache().eval()
    model(x())
    kept = model.cache["w"]
    program = capture(model, (x(),))
    assert "aten.exp.default" in targets(program)
    assert model.cache == {"w": kept}
    assert any("cache" in note for note in program.notes)


def test_a_cache_without_a_telling_name():
    model = m.HiddenCache().eval()
    model(x())
    assert "aten.exp.default" in targets(capture(model, (x(),)))
    model.kept = model.kept.detach()
    assert any("if kept is a cache" in note for note in capture(model, (x(),)).notes)


def test_a_capture_that_lost_a_parameter_is_rejected(monkeypatch):
    def lossy(model, args, kwargs):
        monkeypatch.setattr(model, "lossy", True)
        try:
            return trace_export(model, args, kwargs)
        finally:
            model.lossy = False

    model = m.Lossy()
    monkeypatch.setitem(ladder._RUNGS, "export", lossy)
    assert capture(model, (x(),)).rung == "symbolic"
    with pytest.raises(CaptureError, match="lost parameters that the outputs depend on: b"):
        capture(model, (x(),), rung="export")


def test_all_failures_are_shown(monkeypatch):
    def broken(model, args, kwargs):
        raise RuntimeError("broken on purpose")

    for rung in RUNGS:
        monkeypatch.setitem(ladder._RUNGS, rung, broken)
    with pytest.raises(CaptureError) as error:
        capture(nn.Linear(4, 4), (x(),))
    assert all(f"  {r}: RuntimeError: broken on purpose" in str(error.value) for r in RUNGS)


def test_size_of_the_batch_shows_only_in_shapes():
    model = m.ConvNet().eval()
    two, three = (described(capture(model, (x(n, 3, 8, 8),))) for n in (2, 3))
    assert two == three


def test_capture_is_deterministic():
    model = m.Experts()
    assert str(capture(model, (x(),)).graph) == str(capture(model, (x(),)).graph)


def test_bad_inputs_show_the_line_of_the_model():
    with pytest.raises(InputError, match=r"models.py:\d+ in forward") as error:
        capture(m.ConvNet(), (x(2, 5),))
    assert "--input" in error.value.hint


def test_unknown_rung():
    with pytest.raises(UsageError, match="unknown capture rung 'magic'"):
        capture(nn.Linear(4, 4), (x(),), rung="magic")


def test_one_rung_only():
    with pytest.raises(CaptureError, match="symbolic: TraceError"):
        capture(m.Branch(), (x(),), rung="symbolic")


def test_tensors_that_cannot_be_carried_are_all_named():
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 3))
    model[1].weight = nn.Parameter(torch.eye(3).to_sparse())
    with pytest.raises(UnsupportedTensorError) as error:
        capture(model, (x(),))
    assert "0.weight: not initialised yet" in str(error.value)
    assert "1.weight: sparse" in str(error.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_quantised_modules_are_refused_by_name():
    model = nn.Sequential(nn.Linear(4, 4))
    quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
    with pytest.raises(UnsupportedTensorError, match="0: quantised module Linear"):
        capture(quantised, (x(),))


def test_nothing_is_printed(capfd):
    capture(m.Branch(), (x(),))
    assert capfd.readouterr() == ("", "")


def test_differentiating_inside_forward():
    model = m.GradInside()
    program = capture(model, (x(),))
    assert program.outputs == ("output",)


def test_a_class_without_a_source_file_is_captured() -> None:
    # As in `python -c` and in a debugger: `inspect` then raises OSError, not TypeError.
    code = (
        "import torch, gmn_fx\n"
        "class Net(torch.nn.Sequential): pass\n"
        "print(gmn_fx.extract(Net(torch.nn.Linear(3, 4)), (torch.zeros(2, 3),)).num_edges)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "16", done.stderr
