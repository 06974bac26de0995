"""Example inputs: given, or inferred."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gmn_fx.capture import capture, infer_inputs, parse_input
from gmn_fx.errors import InputError, UsageError
from tests.capture.helpers import assert_untouched, fingerprint


@pytest.mark.parametrize(
    ("text", "shape", "dtype", "name"),
    [
        ("1x3x224x224", (1, 3, 224, 224), None, None),
        ("2,16", (2, 16), None, None),
        ("ids:2x16:int64", (2, 16), torch.int64, "ids"),
        ("2x16:long", (2, 16), torch.int64, None),
        ("x:7:bf16", (7,), torch.bfloat16, "x"),
        ("t:scalar:float", (), torch.float32, "t"),
    ],
)
def test_parse(text, shape, dtype, name):
    spec = parse_input(text)
    assert (spec.shape, spec.dtype, spec.name) == (shape, dtype, name)


@pytest.mark.parametrize("text", ["", "axb", "2x", "1x2:nodtype", "a:b:c:d", "-1x3"])
def test_bad_specs(text):
    with pytest.raises(UsageError):
        parse_input(text)


def flat_conv(side):
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * (side - 2) ** 2, 3)
    )


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.e, self.l = nn.Embedding(9, 4), nn.Linear(6, 4)

    def forward(self, tokens, features):
        return self.e(tokens) + self.l(features)


class Nothing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(3))

    def forward(self):
        return self.w.exp()


class Raw(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(5, 3))

    def forward(self, x):
        return x @ self.w


GUESSED = {
    "mlp": (lambda: nn.Sequential(nn.Linear(7, 4), nn.Linear(4, 2)), [(2, 7)]),
    "double": (lambda: nn.Linear(7, 4).double(), [(2, 7)]),
    "bf16": (lambda: nn.Linear(7, 4).bfloat16(), [(2, 7)]),
    "conv": (lambda: nn.Conv2d(3, 4, 3), [(2, 3, 64, 64)]),
    "mnist": (lambda: flat_conv(28), [(2, 1, 28, 28)]),
    "odd side": (lambda: flat_conv(13), [(2, 1, 13, 13)]),
    "image": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 2)), [(2, 784)]),
    "conv1d": (lambda: nn.Conv1d(3, 4, 3), [(2, 3, 64)]),
    "conv3d": (lambda: nn.Conv3d(3, 4, 3), [(2, 3, 16, 16, 16)]),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3), [(2, 3, 64, 64)]),
    "embedding": (lambda: nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)), [(2, 16)]),
    "lstm": (lambda: nn.LSTM(4, 5), [(2, 16, 4)]),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), [(2, 16, 8)]),
    "attention": (lambda: nn.MultiheadAttention(8, 2), [(2, 16, 8)] * 3),
    "norm": (lambda: nn.BatchNorm2d(3), [(2, 3, 8, 8)]),
    "raw parameters": (Raw, [(2, 5)]),
    "no input": (Nothing, []),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", GUESSED)
def test_guesses(name, device):
    build, shapes = GUESSED[name]
    with torch.device(device):
        model = build()
    before = fingerprint(model) if device == "cpu" else None
    found = infer_inputs(model)
    assert [tuple(a.shape) for a in found.args] == shapes
    assert all(a.device.type == device for a in found.args)
    assert found.how.startswith("inferred from")
    if before is not None:
        assert_untouched(before, model)
    capture(model, found.args, found.kwargs)


def test_two_different_inputs():
    found = infer_inputs(Two())
    tokens, features = found.args
    assert (tokens.dtype, tokens.shape) == (torch.int64, (2, 16))
    assert features.shape[-1] == 6
    assert int(tokens.max()) < 9


def test_specs_win_and_names_become_keywords():
    found = infer_inputs(Two(), specs=["3:int64", "features:3x6"], args=(1, 2))
    assert found.args[0].shape == (3,)
    assert found.kwargs["features"].shape == (3, 6)
    assert str(found) == "(3 int64, features=3x6 float32) (as given by --input)"


def test_specs_that_do_not_run():
    with pytest.raises(InputError, match="cannot be run on") as error:
        infer_inputs(nn.Linear(3, 2), specs=["2x4"])
    assert "--input" in error.value.hint


def test_example_of_the_file():
    found = infer_inputs(nn.Linear(3, 2), args=(torch.ones(5, 3),), kwargs={})
    assert found.how == "example_inputs of the model file"
    assert infer_inputs(nn.Linear(3, 2), example={"input": torch.ones(3)}).kwargs["input"].ndim == 1
    with pytest.raises(InputError):
        infer_inputs(nn.Linear(3, 2), example=torch.ones(4))


class Hopeless(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(3, 2)

    def forward(self, x):
        raise RuntimeError("never")


def test_no_guess_runs():
    with pytest.raises(InputError, match=r"none of \d+ guesses ran") as error:
        infer_inputs(Hopeless())
    assert "RuntimeError: never" in str(error.value)
    assert "example_inputs" in error.value.hint


class NeedsData(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(3, 3)

    def forward(self, x):
        return self.l(x) if float(x.sum()) < 1e9 else x


def test_models_that_look_at_data_are_tried_for_real():
    assert infer_inputs(NeedsData()).args[0].shape == (2, 3)


class Timm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c, self.default_cfg = nn.Conv2d(3, 2, 3), {"input_size": (3, 40, 40)}

    def forward(self, x):
        return self.c(x)


def test_default_size_of_timm():
    found = infer_inputs(Timm())
    assert found.args[0].shape == (2, 3, 40, 40)
    assert "timm" in found.how
