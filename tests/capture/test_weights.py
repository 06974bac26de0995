"""Checkpoints: what fits, what does not, and what is refused."""

from __future__ import annotations

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from gmn_fx.capture import load_weights
from gmn_fx.errors import FileError, LoadError


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


@pytest.fixture
def state():
    return {k: torch.randn_like(v) for k, v in net().state_dict().items()}


def loaded_ok(model, state):
    return all(torch.equal(model.state_dict()[k], v) for k, v in state.items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": s},
        lambda s: {"model": {"state_dict": s}},
        lambda s: {f"module.{k}": v for k, v in s.items()},
        lambda s: {"state_dict": {f"_orig_mod.{k}": v for k, v in s.items()}},
    ],
)
def test_containers_and_prefixes(tmp_path, state, wrap):
    model = net()
    torch.save(wrap(state), tmp_path / "w.pt")
    report = load_weights(model, tmp_path / "w.pt")
    assert report.exact
    assert report.loaded == 4
    assert str(report) == "w.pt: 4 tensors loaded"
    assert loaded_ok(model, state)


def test_safetensors(tmp_path, state):
    model = net()
    save_file(state, tmp_path / "w.safetensors")
    assert load_weights(model, tmp_path / "w.safetensors").exact
    assert loaded_ok(model, state)


def test_everything_that_does_not_fit_is_listed_and_nothing_is_changed(tmp_path, state):
    model = net()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    del state["1.bias"]
    state["1.weight"] = torch.randn(5, 4)
    state["extra"] = torch.randn(1)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(LoadError) as error:
        load_weights(model, tmp_path / "w.pt")
    text = str(error.value)
    assert "missing (1):\n    1.bias" in text
    assert "unexpected (1):\n    extra" in text
    assert "shape mismatch (1):\n    1.weight: file 5x4, model 2x4" in text
    assert loaded_ok(model, before)
    report = load_weights(model, tmp_path / "w.pt", strict=False)
    assert report.loaded == 2
    assert not report.exact
    assert torch.equal(model[0].weight, state["0.weight"])


def test_unexpected_names_alone_are_no_error(tmp_path, state):
    torch.save({**state, "extra": torch.ones(1)}, tmp_path / "w.pt")
    assert load_weights(net(), tmp_path / "w.pt").unexpected == ("extra",)


def test_a_tie_needs_one_of_its_names(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    value = torch.randn(4, 4)
    torch.save({"1.weight": value}, tmp_path / "w.pt")
    assert load_weights(model, tmp_path / "w.pt").exact
    assert torch.equal(model[0].weight, value)


def test_meta_models_get_real_weights(tmp_path, state):
    with torch.device("meta"):
        model = net()
    torch.save(state, tmp_path / "w.pt")
    load_weights(model, tmp_path / "w.pt")
    assert loaded_ok(model, state)
    assert isinstance(model[0].weight, nn.Parameter)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_malicious_pickles_are_refused(tmp_path):
    marker = tmp_path / "ran"
    torch.save({"0.weight": Evil(str(marker))}, tmp_path / "evil.pt")
    with pytest.raises(FileError, match="holds more than tensors and was refused"):
        load_weights(net(), tmp_path / "evil.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Evil(str(marker))))
    with pytest.raises(FileError):
        load_weights(net(), tmp_path / "raw.pt")
    assert not marker.exists()


def test_unreadable_files(tmp_path, state):
    torch.save(state, tmp_path / "w.pt")
    data = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: len(data) // 2])
    (tmp_path / "cut.safetensors").write_bytes(b"abc")
    for name in ("cut.pt", "cut.safetensors"):
        with pytest.raises(FileError, match=name):
            load_weights(net(), tmp_path / name)
    with pytest.raises(FileError, match="no such weights file"):
        load_weights(net(), tmp_path / "none.pt")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, 3])
def test_not_a_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(LoadError, match="holds"):
        load_weights(net(), tmp_path / "w.pt")
