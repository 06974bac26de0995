"""Random numbers drawn in `forward` tell no unit from another; what is shared in part does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gmn_fx
from tests.rules.helpers import orbits, rand

RUNGS = ("export", "symbolic", "concrete", "record")
DROPOUTS = (nn.Dropout, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def proved_in_training(
    model: nn.Module, *args: Tensor, rung: str = "auto"
) -> tuple[gmn_fx.ParameterGraph, gmn_fx.OracleReport]:
    graph = gmn_fx.extract(model.train(), args, capture=rung)
    return graph, gmn_fx.verify(model, graph, args, seeds=2).raise_if_failed()


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("kind", DROPOUTS)
def test_dropout_leaves_channels_alike(kind: type[nn.Module], rung: str) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), kind(0.3), nn.BatchNorm2d(4), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip
    graph, report = proved_in_training(model, rand(2, 3, 6, 6), rung=rung)
    assert orbits(report, "channel", "conv2d") == [((4, 1),)]
    assert not any("@" in text for text in graph.histories)


class Between(nn.Module):
    """Two layers, and a function of what the first one makes."""

    def __init__(self, fn: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.fn = nn.Linear(3, 8), nn.Linear(8, 2), fn

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.fn(self.first(x)).relu())


ALIKE: dict[str, Callable[[Tensor], Tensor]] = {
    "functional": lambda h: F.dropout(h, 0.5),
    "a feature at a time": lambda h: F.dropout1d(h[None], 0.5)[0],
    "mask of comparisons": lambda h: h * (torch.rand_like(h) > 0.5) / 0.5,
    "bernoulli of one number": lambda h: h * torch.bernoulli(torch.full_like(h, 0.8)),
    "bernoulli of each unit": lambda h: torch.bernoulli(h.sigmoid()),
    "law in the operand": lambda h: torch.normal(h, 0.1),
    "where": lambda h: torch.where(torch.rand(h.shape) < 0.9, h, torch.zeros_like(h)),
    "added": lambda h: h + 0.1 * torch.randn(8),
    "a path at a time": lambda h: h * (torch.rand(len(h), 1) < 0.9),
    "moved": lambda h: h + torch.randn(8, len(h)).t().reshape(h.shape),
    "two draws": lambda h: h * torch.rand(8) + torch.rand(8),
}


@pytest.mark.parametrize("name", sorted(ALIKE))
def test_draws_are_the_same_step_for_every_unit(name: str) -> None:
    _, report = proved_in_training(Between(ALIKE[name]), rand(4, 3))
    assert orbits(report, "neuron", "linear")[0] == ((8, 1),)


def test_units_that_share_a_draw_are_told_from_the_others() -> None:
    def pairs(h: Tensor) -> Tensor:
        return (h.view(4, 4, 2) * torch.rand(4, 1)).view(4, 8)

    def twice(h: Tensor) -> Tensor:
        return h + torch.rand(4).repeat(2)

    for fn in (pairs, twice):
        _, report = proved_in_training(Between(fn), rand(4, 3))
        assert orbits(report, "neuron", "linear")[0] != ((8, 1),)


def test_a_mask_that_is_used_twice_keeps_its_name() -> None:
    class Masks(nn.Module):
        def __init__(self, one: bool) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(3, 4) for _ in range(3))
            self.one = one

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            first = torch.rand(4)
            rest = [first, first] if self.one else [torch.rand(4), torch.rand(4)]
            layers = (self.a(x), self.b(x), self.c(x))
            return tuple(h * m for h, m in zip(layers, [first, *rest], strict=True))

    apart, _ = proved_in_training(Masks(one=False), rand(2, 3))
    shared, _ = proved_in_training(Masks(one=True), rand(2, 3))
    assert apart.histories == ("", "mul(rand)")
    assert shared.histories == ("", "mul(rand #0)")


def test_noise_beside_features_is_a_set_of_equal_nodes() -> None:
    def beside(h: Tensor) -> Tensor:
        return torch.cat([h[:, :4], torch.randn(len(h), 4)], 1)

    _, report = proved_in_training(Between(beside), rand(4, 3))
    assert orbits(report, "constant", "constant") == [((4, 1),)]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(4, 12), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.view(2, 5, 2, 2).transpose(1, 2) for t in self.into(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.2 if self.training else 0.0)
        return self.out(y.transpose(1, 2).reshape(2, 5, 4))


def test_attention_with_dropout_is_attention_with_one_more_step() -> None:
    model, x = Attention(), rand(2, 5, 4)
    graph, _ = proved_in_training(model, x)
    still = gmn_fx.extract(model.eval(), (x,))
    assert [(g.op, g.size) for g in graph.groups] == [(g.op, g.size) for g in still.groups]
    assert any(text.endswith("softmax[-1] > dropout(0.2)") for text in graph.histories)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_dropout_between_recurrent_layers_is_one_more_step(kind: type[nn.Module]) -> None:
    model = kind(3, 4, 2, dropout=0.3)
    graph, _ = proved_in_training(model, rand(5, 2, 3))
    still = gmn_fx.extract(model.eval(), (rand(5, 2, 3),))
    assert [(g.op, g.size) for g in graph.groups] == [(g.op, g.size) for g in still.groups]
    assert any("dropout(0.3)" in text for text in graph.histories)
    assert not any("dropout" in text for text in still.histories)


def test_hidden_units_of_an_encoder_layer_in_training_are_alike() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True)
    _, report = proved_in_training(layer, rand(2, 5, 4))
    assert orbits(report, "neuron", "linear")[-2] == ((8, 1),)
