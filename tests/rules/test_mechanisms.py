"""What is easily got wrong (DESIGN section 3, 1 to 8): the graph, the proof, and the refutation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.helpers import (
    counts,
    forget,
    histories,
    labels,
    nodes,
    on,
    orbits,
    proved,
    rand,
    refuted,
    sizes,
    titles,
)


class Branches(nn.Module):
    """Two layers on one input, joined by `mix`, and a head."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(3, width), nn.Linear(3, width), nn.Linear(width, 2)

    def mix(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.mix(self.a(x), self.b(x)))


# ---- 1 labels


class ConvFlatten(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 3, 3), nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.conv(x).relu().flatten(1))


def test_flatten_reads_each_channel_by_labelled_edges() -> None:
    model, x = ConvFlatten(), rand(2, 1, 4, 4)
    graph, report = proved(model, x)
    (weight,) = on(graph, "out.weight")
    assert weight.src.expand((2, 12)).array()[0].tolist() == [1] * 4 + [2] * 4 + [3] * 4
    assert labels(weight)[0] == labels(weight)[1] == [0, 1, 2, 3] * 3
    assert orbits(report, "channel", "conv2d") == [((3, 1),)]
    assert refuted(model, forget(graph, "label", lambda b: b is weight), x)


def test_kernel_offsets_are_labels() -> None:
    model, x = ConvFlatten(), rand(2, 1, 4, 4)
    graph, _ = proved(model, x)
    (kernel,) = on(graph, "conv.weight")
    assert labels(kernel) == [[[0, 1, 2], [3, 4, 5], [6, 7, 8]]] * 3
    assert refuted(model, forget(graph, "label", lambda b: b is kernel), x)


class PatchMerging(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.merge, self.out = nn.Linear(3, 4), nn.Linear(16, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, _ = x.shape
        x = self.stem(x).view(n, h // 2, 2, w // 2, 2, 4).transpose(2, 3)
        return self.out(self.merge(x.flatten(3)).relu())


def test_patch_merging_labels_the_corner() -> None:
    model, x = PatchMerging(), rand(2, 4, 4, 3)
    graph, report = proved(model, x)
    (weight,) = on(graph, "merge.weight")
    assert labels(weight)[0] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert orbits(report, "neuron", "linear")[0] == ((4, 1),)
    assert refuted(model, forget(graph, "label", lambda b: b is weight), x)


class ShiftedNorm(nn.Module):
    """A norm whose features are the same channels at two places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.out = nn.Linear(3, 4), nn.LayerNorm(8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.out(self.norm(torch.cat([x[:, :-1], x[:, 1:]], -1)))


def test_norm_of_shifted_slices_keeps_the_places_apart() -> None:
    model, x = ShiftedNorm(), rand(2, 5, 3)
    graph, report = proved(model, x)
    assert sizes(graph)["neuron/norm"] == [8]
    assert orbits(report, "neuron", "norm") == [((4, 2),)]
    gain = on(graph, "norm.weight")[0]
    assert "slice[-2,1,1] > norm(-1)" in histories(graph, gain)
    blind = forget(forget(graph, "label"), "history")
    assert refuted(model, blind, x)


# ---- 2 order of operands


class Difference(Branches):
    def mix(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b


class Quotient(Branches):
    def mix(self, a: Tensor, b: Tensor) -> Tensor:
        return a / (b + 9.5)


@pytest.mark.parametrize(("net", "op"), [(Difference, "sub"), (Quotient, "div")])
def test_operands_of_what_does_not_commute_are_numbered(net: type[Branches], op: str) -> None:
    model, x = net(), rand(4, 3)
    graph, _ = proved(model, x)
    assert [b.operand for b in graph.bundles if b.op == op] == [0, 1]
    blind = forget(graph, "operand")
    assert refuted(model, blind if op == "sub" else forget(blind, "history"), x)


def test_operands_of_a_sum_are_not() -> None:
    graph, _ = proved(Branches(), rand(4, 3))
    assert {b.operand for b in graph.bundles} == {-1}
    assert counts(graph)["flow/add"] == 2


class Gated(Branches):
    def mix(self, a: Tensor, b: Tensor) -> Tensor:
        return F.silu(a) * b


def test_the_gate_is_told_by_its_history() -> None:
    model, x = Gated(), rand(4, 3)
    graph, report = proved(model, x)
    into = [b for b in graph.bundles if b.op == "mul"]
    assert [histories(graph, b) for b in into] == [{"silu"}, {""}]
    assert orbits(report, "neuron", "linear")[:2] == [((4, 1),)] * 2
    assert refuted(model, forget(graph, "history"), x)


class SelfProduct(Branches):
    """The same neurons at two places under one product."""

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x)
        return self.out(a[:, :-1] * a[:, 1:].exp())


def test_two_places_of_one_neuron_are_two_edges() -> None:
    graph, _ = proved(SelfProduct(), rand(2, 5, 3))
    into = [b for b in graph.bundles if b.op == "mul"]
    assert len(into) == 2
    assert nodes(into[0].src) == nodes(into[1].src)
    assert [histories(graph, b) for b in into] == [{""}, {"slice[-2,1,1] > exp"}]


# ---- 3 what happened on the way


class Dilations(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.out = nn.Conv1d(2, 3, 1), nn.Conv1d(3, 2, 1)
        self.near = nn.Conv1d(3, 3, 3, padding=1)
        self.far = nn.Conv1d(3, 3, 3, padding=2, dilation=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.out(self.near(x) + self.far(x))


def test_branches_that_differ_in_dilation_are_not_exchanged() -> None:
    model, x = Dilations(), rand(2, 2, 8)
    graph, _ = proved(model, x)
    assert histories(graph, on(graph, "near.weight")[0]) == {"conv1d(padding=1)"}
    assert histories(graph, on(graph, "far.weight")[0]) == {"conv1d(padding=2 dilation=2)"}
    assert refuted(model, forget(graph, "history"), x)


class Rolled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.out(self.a(x) + self.b(x.roll(1, 1)))


def test_a_roll_of_positions_is_on_the_edges() -> None:
    model, x = Rolled(), rand(2, 5, 3)
    graph, _ = proved(model, x)
    assert histories(graph, on(graph, "b.weight")[0]) == {"roll[[1];-2]"}
    assert refuted(model, forget(graph, "history"), x)


class Scaled(Branches):
    def mix(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.tanh(a * 0.5) + torch.tanh(b * 2.0)


def test_factors_are_part_of_the_history() -> None:
    model, x = Scaled(), rand(4, 3)
    graph, _ = proved(model, x)
    assert {h for h in graph.histories if "tanh" in h} == {"mul(·,0.5) > tanh", "mul(·,2.0) > tanh"}
    assert refuted(model, forget(graph, "history"), x)


# ---- 4 constants that differ between channels


class Code(nn.Module):
    code: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.out = nn.Linear(3, 4), nn.Linear(4, 2)
        self.register_buffer("code", torch.tensor([1.0, 2.0, 2.0, 3.0]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.stem(x) * self.code)


def test_channels_with_equal_constants_stay_exchangeable() -> None:
    model, x = Code(), rand(4, 3)
    graph, report = proved(model, x)
    assert orbits(report, "neuron", "linear")[0] == ((2, 1), (1, 2))
    assert histories(graph, on(graph, "out.weight")[0]) == {"", "mul(2.0)", "mul(3.0)"}
    assert refuted(model, forget(graph, "history"), x)


class Masked(nn.Module):
    """A mask over the weight itself."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(4, 4), nn.Linear(4, 2)
        self.register_buffer("mask", torch.tril(torch.ones(4, 4)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.linear(x, self.inner.weight * self.mask, self.inner.bias).relu())


def test_a_masked_weight_has_the_mask_on_its_edges() -> None:
    model, x = Masked(), rand(4, 4)
    graph, report = proved(model, x)
    assert histories(graph, on(graph, "inner.weight")[0]) == {"", " | mul(0.0)"}
    assert orbits(report, "neuron", "linear")[0] == ((1, 4),)
    assert refuted(model, forget(graph, "history"), x)


# ---- 5 broadcast, new axis or position


class StateSpace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step, self.out = nn.Linear(3, 4), nn.Linear(8, 2)
        self.rate = nn.Parameter(torch.randn(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.out((self.step(x).unsqueeze(-1) * self.rate).exp().flatten(1))


def test_broadcast_against_a_matrix_makes_a_node_a_cell() -> None:
    graph, report = proved(StateSpace(), rand(4, 3))
    assert sizes(graph)["neuron/mul"] == [8]
    (gain,) = on(graph, "rate")
    assert (gain.kind, gain.shape[-2:]) == ("gain", (4, 2))
    assert titles(report, "neuron", "mul") == ["hidden units within groups (4 x 2)"]


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.conv(x)).relu())


def test_running_statistics_are_carried_and_not_trainable() -> None:
    model, x = Normed(), rand(2, 2, 5, 5)
    graph, report = proved(model, x)
    slots = {s.name: s for s in graph.slots}
    assert [slots[f"norm.{n}"].trainable for n in ("weight", "running_mean", "running_var")] == [
        True,
        False,
        False,
    ]
    running = [on(graph, f"norm.running_{n}")[0] for n in ("mean", "var")]
    assert [(b.kind, b.operand) for b in running] == [("running", 0), ("running", 1)]
    assert {"norm.running_mean", "norm.running_var"} <= set(report.slots_moved)
    assert not slots["norm.num_batches_tracked"].used
    assert refuted(model, forget(graph, "operand"), x)


# ---- 7 token mixing
