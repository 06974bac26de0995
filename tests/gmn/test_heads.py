"""Heads on real networks: order of graphs, edits that run, tied parameters, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call

import gmn_fx
from gmn_fx.errors import FileError, UsageError
from gmn_fx.gmn import (
    EquivariantGMN,
    GMNConfig,
    GraphBatch,
    InvariantGMN,
    NodeGMN,
    Vocabulary,
    buckets,
    load_gmn,
    save_gmn,
)
from tests.gmn.nets import MAKERS, graphs


def mixed() -> list[Any]:
    """Networks of three architectures, in turn."""
    several = [graphs(name) for name in ("inr", "cnn", "gru")]
    return [several[i % 3][i // 3] for i in range(9)]


CONFIG = GMNConfig(hidden=8, layers=2)


def test_mixed_architectures_keep_their_order() -> None:
    zoo = mixed()
    torch.manual_seed(0)
    head = InvariantGMN(CONFIG, Vocabulary.fit(zoo), 2).eval()
    together = head(zoo)
    assert together.shape == (9, 2)
    for i, graph in enumerate(zoo):
        assert torch.allclose(together[i], head(graph)[0], atol=1e-5)
    sorted_ = buckets(zoo)
    assert [len(b) for b in sorted_.batches] == [3, 3, 3]
    assert torch.allclose(head(sorted_), together)
    with pytest.raises(UsageError, match="no graph"):
        head([])


def test_graphs_of_one_signature_share_a_batch_whatever_their_names() -> None:
    one, two = (nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)) for _ in range(2))

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first = two[2], two[0]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.tanh(self.first(x)))

    x = (torch.randn(3, 2),)
    first, second = gmn_fx.extract(one, x), gmn_fx.extract(Named(), x)
    assert first.signature == second.signature
    torch.manual_seed(0)
    head = InvariantGMN(CONFIG, Vocabulary.fit([first]), 1).eval()
    assert len(buckets([first, second]).batches) == 1
    assert torch.allclose(head([first, second])[1], head(second)[0], atol=1e-6)


@pytest.mark.parametrize("name", MAKERS)
def test_an_edit_is_a_state_dict(name: str) -> None:
    graph = graphs(name)[0]
    make, inputs = MAKERS[name]
    torch.manual_seed(0)
    head = EquivariantGMN(CONFIG, Vocabulary.fit([graph]))
    state = head(graph).state_dicts()[0]
    model = make().eval()
    model.load_state_dict({n: t.detach() for n, t in state.items()})
    before = functional_call(model, graph.to_state_dict(), inputs)
    after = functional_call(model, state, inputs)
    first = [o[0] if isinstance(o, tuple) else o for o in (before, after)]
    assert not torch.equal(*first)
    first[1].square().mean().backward()  # through the network into the metanet
    assert head.scale.grad is not None
    for weight in (head.gmn.encoder.value.weight, head.gmn.layers[0].edge.weight):
        assert float(weight.grad.abs().max()) > 0


def test_buffers_are_updated_on_request_only() -> None:
    graph = graphs("cnn")[0]
    head = EquivariantGMN(CONFIG, Vocabulary.fit([graph]))
    updates = head(graph)
    kept, all_ = updates.state_dicts()[0], updates.state_dicts(frozen=True)[0]
    assert torch.equal(kept["norm.running_var"], graph.values["norm.running_var"])
    assert not torch.equal(all_["norm.running_var"], graph.values["norm.running_var"])
    assert torch.equal(all_["norm.num_batches_tracked"], graph.values["norm.num_batches_tracked"])
    assert not updates.state_dicts(add=False)[0]["norm.running_var"].any()


def test_tied_parameters_get_one_value() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.mid = nn.Embedding(6, 4), nn.Linear(4, 4)
            self.out = nn.Linear(4, 6, bias=False)
            self.out.weight = self.table.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(torch.tanh(self.mid(self.table(x))))

    graph = gmn_fx.extract(Tied(), (torch.randint(6, (2, 3)),))
    head = EquivariantGMN(CONFIG, Vocabulary.fit([graph]))
    state = head(graph).state_dicts()[0]
    assert state["out.weight"] is state["table.weight"]
    assert state["out.weight"].shape == (6, 4)


def test_edits_of_several_architectures() -> None:
    zoo = mixed()
    head = EquivariantGMN(CONFIG, Vocabulary.fit(zoo))
    edited = head.edit(zoo)
    for graph, state in zip(zoo, edited, strict=True):
        assert state.keys() == graph.to_state_dict().keys()
        alone = head(graph).state_dicts()[0]
        assert all(torch.allclose(state[n], alone[n], atol=1e-6) for n in state)


@pytest.mark.parametrize("kind", [InvariantGMN, NodeGMN, EquivariantGMN])
def test_saved_and_loaded(tmp_path: Path, kind: Any) -> None:
    zoo = graphs("cnn")
    torch.manual_seed(0)
    extra = {} if kind is EquivariantGMN else {"out_features": 2}
    model = kind(GMNConfig(hidden=6, layers=2, norm="inside"), Vocabulary.fit(zoo), **extra)
    save_gmn(model, tmp_path / "gmn.safetensors")
    again = load_gmn(tmp_path / "gmn.safetensors").eval()
    model.eval()
    assert type(again) is kind
    assert again.config == model.config
    batch = GraphBatch.of(zoo)
    one, two = (m(batch) for m in (model, again))
    if kind is EquivariantGMN:
        one, two = one.values[0], two.values[0]
    assert torch.equal(one, two)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"not a file")
    with pytest.raises(FileError, match="cannot read"):
        load_gmn(path)
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(FileError, match="no metanet"):
        load_gmn(path)
    with pytest.raises(FileError, match="cannot be saved"):
        save_gmn(nn.Linear(1, 1), path)
    head = InvariantGMN(CONFIG, Vocabulary.fit(graphs("inr")), 1)
    with pytest.raises(FileError, match="cannot be written"):
        save_gmn(head, tmp_path / "missing" / "x.safetensors")


def test_bad_configurations_are_refused() -> None:
    for options, message in (
        ({"aggregation": "max"}, "aggregation"), ({"hidden": 0}, "hidden >= 1"),
        ({"dropout": 1.0}, "dropout"), ({"norm": "post"}, "norm"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=message):
            GMNConfig(**options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no 'wings'"):
        GMNConfig.from_json('{"wings": 2}')
    with pytest.raises(UsageError, match="no graph"):
        Vocabulary.fit([])
