"""How the paper's construction treats single layers, and where it falls back to the exact one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gmn_fx
from gmn_fx.graph.model import ParameterGraph
from tests.rules.helpers import nodes, on, rand, sizes


class Call(nn.Module):
    """A function of named parts and inputs as a module."""

    def __init__(self, fn: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.fn = fn

    def forward(self, *args: Tensor) -> Any:
        return self.fn(self, *args)


def paper(model: nn.Module, *args: Tensor) -> ParameterGraph:
    graph = gmn_fx.extract(model.eval(), args, style="paper")
    graph.verify(level="values")
    return graph


def noted(graph: ParameterGraph, word: str) -> bool:
    return any("the paper has no construction for" in note and word in note for note in graph.notes)


def ends(graph: ParameterGraph, slot: str) -> tuple[set[int], set[int]]:
    """Sources and destinations of the edges that carry `slot`."""
    found: tuple[set[int], set[int]] = set(), set()
    for b in on(graph, slot):
        for side, m in zip(found, (b.src, b.dst), strict=True):
            side.update(nodes(m.expand(b.shape)))
    return found


# ---- norms

NORMS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "batch": (lambda: nn.BatchNorm2d(4), "batch_norm"),
    "group": (lambda: nn.GroupNorm(2, 4), "group_norm"),
    "one group": (lambda: nn.GroupNorm(1, 4), "group_norm"),
    "instance": (lambda: nn.InstanceNorm2d(4, affine=True), "instance_norm"),
    "tracked": (
        lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True), "batch_norm",
    ),
    "image": (lambda: nn.LayerNorm([4, 6, 6]), "layer_norm"),
    "rms": (lambda: nn.RMSNorm([4, 6, 6]), "rms_norm"),
}  # fmt: skip


@pytest.mark.parametrize("name", NORMS)
def test_a_norm_attaches_to_the_neurons_that_it_normalises(name: str) -> None:
    make, op = NORMS[name]
    norm = make()
    graph = paper(nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.Conv2d(4, 2, 1)), rand(2, 3, 8, 8))
    conv = ends(graph, "0.weight")[1]
    for slot, what, kind in (("1.weight", "gamma", "gain"), ("1.bias", "beta", "shift")):
        if slot.removeprefix("1.") not in dict(norm.named_parameters()):
            continue
        (bundle,) = on(graph, slot)
        source, reached = ends(graph, slot)
        assert reached == conv
        assert (bundle.kind, bundle.op) == (kind, op)
        (group,) = [g for g in graph.groups if g.start in source]
        assert (group.kind, group.op, group.size) == ("bias", f"{op} {what}", 1)
    assert not sizes(graph).keys() & {"statistic/norm", "neuron/norm"}
    assert ends(graph, "2.weight")[0] == conv


def test_a_norm_without_parameters_is_nothing() -> None:
    plain = paper(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), rand(2, 3))
    normed = paper(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4, elementwise_affine=False),
                                 nn.Linear(4, 2)), rand(2, 3))  # fmt: skip
    assert normed.signature == plain.signature


def test_a_norm_of_the_input_attaches_to_the_inputs() -> None:
    graph = paper(nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 2)), rand(2, 3))
    assert ends(graph, "0.weight")[1] == ends(graph, "1.weight")[0]
    assert sizes(graph)["input/input"] == [3]


class RootMeanSquare(nn.Module):
    """An RMS norm as model libraries write it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width))

    def forward(self, x: Tensor) -> Tensor:
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        return self.weight * x


def test_a_norm_that_is_written_by_hand_is_one() -> None:
    def net(norm: nn.Module) -> nn.Module:
        return nn.Sequential(nn.Linear(3, 4), norm, nn.Linear(4, 2))

    plain, other = (paper(net(norm), rand(2, 3)) for norm in (nn.RMSNorm(4), RootMeanSquare(4)))
    assert plain.signature == other.signature
    assert plain.notes == other.notes == ()


def test_a_norm_for_each_head_has_no_construction() -> None:
    def attend(s: Any, x: Tensor) -> Tensor:
        q, k, v = (heads(f(x), 2) for f in (s.q, s.k, s.v))
        y = F.scaled_dot_product_attention(s.norm(q), s.norm(k), v)
        return s.out(y.transpose(1, 2).flatten(2))

    parts = {name: nn.Linear(4, 4) for name in ("q", "k", "v", "out")}
    graph = paper(Call(attend, **parts, norm=nn.LayerNorm(2)), rand(2, 5, 4))
    assert noted(graph, "norm")
    assert ends(graph, "out.weight")[0] == ends(graph, "v.weight")[1]


# ---- attention


def self_attention() -> nn.Module:
    return Call(lambda s, x: s.mha(x, x, x)[0], mha=nn.MultiheadAttention(6, 2, batch_first=True))


def heads(x: Tensor, count: int) -> Tensor:
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def test_queries_keys_and_values_are_one_neuron() -> None:
    graph = paper(self_attention(), rand(2, 5, 6))
    parts = on(graph, "mha.in_proj_weight")
    assert [b.shape for b in parts] == [(6, 6)] * 3
    assert len({tuple(sorted(nodes(b.dst))) for b in parts}) == 1
    assert [len(nodes(b.src)) for b in on(graph, "mha.in_proj_bias")] == [1, 1, 1]
    assert len(ends(graph, "mha.in_proj_bias")[0]) == 3
    assert ends(graph, "mha.out_proj.weight")[0] == ends(graph, "mha.in_proj_weight")[1]
    assert len({(b.kind, b.op, b.depth, b.operand, b.label.bounds()) for b in parts}) == 1


def test_interleaved_heads_are_cut_as_well() -> None:
    def attend(s: Any, x: Tensor) -> Tensor:
        q, k, v = s.into(x).view(2, 5, 2, 3, 3).unbind(3)
        y = F.scaled_dot_product_attention(*(t.transpose(1, 2) for t in (q, k, v)))
        return s.out(y.transpose(1, 2).flatten(2))

    graph = paper(Call(attend, into=nn.Linear(6, 18), out=nn.Linear(6, 6)), rand(2, 5, 6))
    assert [b.shape for b in on(graph, "into.weight")] == [(2, 3, 6)] * 3
    assert len(ends(graph, "into.weight")[1]) == 6
    assert all(b.view is not None and b.view.table is None for b in on(graph, "into.weight"))


def test_grouped_queries_join_with_their_key() -> None:
    def attend(s: Any, x: Tensor) -> Tensor:
        q, k, v = heads(s.q(x), 4), heads(s.k(x), 2), heads(s.v(x), 2)
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        return s.out(y.transpose(1, 2).flatten(2))

    parts = {"q": nn.Linear(8, 8), "k": nn.Linear(8, 4), "v": nn.Linear(8, 4)}
    graph = paper(Call(attend, **parts, out=nn.Linear(8, 8)), rand(2, 5, 8))
    assert ends(graph, "q.weight")[1] == ends(graph, "k.weight")[1] == ends(graph, "v.weight")[1]
    assert len(ends(graph, "q.weight")[1]) == 4
    assert graph.notes == ()


def test_attention_over_raw_tokens_of_an_encoder_layer() -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
    graph = paper(layer, rand(2, 5, 6))
    assert graph.notes == ()
    assert sum(b.shape[-1] for b in graph.bundles if b.kind == "residual") == 12
    assert graph.num_edges == sum(p.numel() for p in layer.parameters()) + 12


def test_a_learned_bias_on_the_scores_has_no_construction() -> None:
    def attend(s: Any, x: Tensor) -> Tensor:
        q, k, v = (heads(f(x), 2) for f in (s.q, s.k, s.v))
        weights = (q @ k.transpose(-1, -2) + s.table).softmax(-1)
        return s.out((weights @ v).transpose(1, 2).flatten(2))

    parts = {name: nn.Linear(4, 4) for name in ("q", "k", "v", "out")}
    table = nn.Parameter(torch.randn(2, 5, 5))
    graph = paper(Call(attend, **parts, table=table), rand(2, 5, 4))
    assert noted(graph, "matmul sum")
    assert on(graph, "table")


def test_rotary_codes_leave_queries_and_keys() -> None:
    def turned(x: Tensor) -> Tensor:
        angle = torch.arange(5)[:, None] * torch.ones(4) / 7
        rotated = torch.cat([-x[..., 2:], x[..., :2]], -1)
        return x * angle.cos() + rotated * angle.sin()

    def attend(s: Any, x: Tensor) -> Tensor:
        q, k, v = (heads(f(x), 2) for f in (s.q, s.k, s.v))
        y = F.scaled_dot_product_attention(turned(q), turned(k), v)
        return s.out(y.transpose(1, 2).flatten(2))

    graph = paper(Call(attend, **{name: nn.Linear(8, 8) for name in ("q", "k", "v", "out")}),
                  rand(2, 5, 8))  # fmt: skip
    assert graph.notes == ()
    assert ends(graph, "q.weight")[1] == ends(graph, "k.weight")[1] == ends(graph, "v.weight")[1]
    assert (graph.num_nodes, graph.num_edges) == (8 + 8 + 3 + 8 + 1, 4 * 72)


def test_channel_attention_has_no_construction() -> None:
    def attend(s: Any, x: Tensor) -> Tensor:
        q, k, v = (f(x).transpose(1, 2) for f in (s.q, s.k, s.v))
        return s.out(((q @ k.transpose(1, 2)).softmax(-1) @ v).transpose(1, 2))

    parts = {name: nn.Linear(4, 4) for name in ("q", "k", "v", "out")}
    assert noted(paper(Call(attend, **parts), rand(2, 5, 4)), "softmax")


def test_a_mask_of_the_user_is_no_part_of_it() -> None:
    def attend(s: Any, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (heads(f(x), 2) for f in (s.q, s.k, s.v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return s.out(y.transpose(1, 2).flatten(2))

    parts = {name: nn.Linear(4, 4) for name in ("q", "k", "v", "out")}
    mask = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    graph = paper(Call(attend, **parts), rand(2, 5, 4), mask)
    assert graph.notes == ()
    assert ends(graph, "q.weight")[1] == ends(graph, "v.weight")[1]


# ---- sums and gates


def test_a_skip_connection_ends_in_the_neurons_of_the_branch() -> None:
    graph = paper(Call(lambda s, x: s.out(x + s.f(x).relu()), f=nn.Linear(4, 4),
                       out=nn.Linear(4, 2)), rand(2, 4))  # fmt: skip
    (edges,) = [b for b in graph.bundles if b.kind == "residual"]
    assert nodes(edges.dst) == ends(graph, "f.weight")[1] == ends(graph, "out.weight")[0]
    assert nodes(edges.src) == ends(graph, "f.weight")[0]
    assert edges.slot is None


def test_an_addition_to_itself_adds_no_edge() -> None:
    graph = paper(Call(lambda s, x: s.out(s.f(x) + s.f(x).relu()), f=nn.Linear(4, 4),
                       out=nn.Linear(4, 2)), rand(2, 4))  # fmt: skip
    assert not [b for b in graph.bundles if b.kind in ("residual", "flow", "operand")]


def test_a_shortcut_goes_from_the_shorter_to_the_longer_way() -> None:
    def two(s: Any, x: Tensor) -> Tensor:
        return s.out(s.norm(s.short(x)) + s.b(s.a(x).relu()).relu())

    parts = {"short": nn.Linear(4, 3), "norm": nn.LayerNorm(3), "a": nn.Linear(4, 3),
             "b": nn.Linear(3, 3), "out": nn.Linear(3, 2)}  # fmt: skip
    graph = paper(Call(two, **parts), rand(2, 4))
    (edges,) = [b for b in graph.bundles if b.kind == "residual"]
    assert nodes(edges.src) == ends(graph, "short.weight")[1]
    assert nodes(edges.dst) == ends(graph, "b.weight")[1] == ends(graph, "out.weight")[0]


def test_linear_images_that_meet_in_a_sum_are_one_set() -> None:
    def three(s: Any, x: Tensor, y: Tensor) -> Tensor:
        return s.out((s.a(x) + s.b(y) + x @ s.c).tanh())

    parts = {"a": nn.Linear(3, 4), "b": nn.Linear(2, 4), "out": nn.Linear(4, 2)}
    matrix = nn.Parameter(torch.randn(3, 4))
    graph = paper(Call(three, **parts, c=matrix), rand(5, 3), rand(5, 2))
    assert ends(graph, "a.weight")[1] == ends(graph, "b.weight")[1] == ends(graph, "c")[1]
    assert len(ends(graph, "a.bias")[0] | ends(graph, "b.bias")[0]) == 2


def test_a_linear_image_that_is_read_elsewhere_is_not_joined() -> None:
    def two(s: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        left, right = s.a(x), s.b(x)
        return s.out(left + right), s.out(left)

    parts = {"a": nn.Linear(3, 4), "b": nn.Linear(3, 4), "out": nn.Linear(4, 2)}
    graph = paper(Call(two, **parts), rand(5, 3))
    assert [b for b in graph.bundles if b.kind == "residual"]
    assert ends(graph, "a.weight")[1] != ends(graph, "b.weight")[1]


def test_gates_are_the_neurons_that_they_gate() -> None:
    model = Call(lambda s, x: s.out(F.glu(s.into(x), -1)), into=nn.Linear(3, 8),
                 out=nn.Linear(4, 2))  # fmt: skip
    graph = paper(model, rand(5, 3))
    assert [b.shape for b in on(graph, "into.weight")] == [(4, 3), (4, 3)]
    assert len(ends(graph, "into.bias")[0]) == 2
    assert ends(graph, "into.weight")[1] == ends(graph, "out.weight")[0]


@pytest.mark.parametrize(
    "fn",
    [
        lambda s, x: s.out((s.a(x)[:, :, None] * s.b(x)[:, None, :]).flatten(1)),
        lambda s, x: s.wide(s.a(x) * s.b(x).sum(-1, keepdim=True)),
    ],
    ids=["outer product", "statistic"],
)
def test_products_of_other_shapes_have_no_construction(fn: Any) -> None:
    parts = {"a": nn.Linear(3, 4), "b": nn.Linear(3, 4), "out": nn.Linear(16, 2),
             "wide": nn.Linear(4, 2)}  # fmt: skip
    graph = paper(Call(fn, **parts), rand(5, 3))
    assert any("the paper has no construction for" in note for note in graph.notes)


# ---- what the paper does not show, and what it does not know


def layers(*middle: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv1d(2, 3, 3, padding=1), *middle, nn.Conv1d(3, 2, 1))


@pytest.mark.parametrize(
    "middle",
    [nn.ReLU(), nn.GELU(), nn.Dropout(0.5), nn.MaxPool1d(3, 1, 1), nn.AvgPool1d(3, 1, 1)],
    ids=lambda m: type(m).__name__,
)
def test_functions_and_pooling_are_not_shown(middle: nn.Module) -> None:
    assert (
        paper(layers(middle), rand(2, 2, 8)).signature == paper(layers(), rand(2, 2, 8)).signature
    )


def test_static_attributes_are_not_shown() -> None:
    def signature(**options: Any) -> str:
        return paper(nn.Sequential(nn.Conv2d(2, 3, 3, **options)), rand(1, 2, 9, 9)).signature

    assert signature() == signature(stride=2) == signature(dilation=2) == signature(padding=1)


@pytest.mark.parametrize(
    ("model", "x", "word"),
    [
        (nn.LSTM(3, 4), rand(5, 2, 3), "lstm"),
        (nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2)), torch.tensor([[1, 2]]), "embedding"),
        (nn.Sequential(nn.Conv1d(2, 3, 3), nn.Flatten(), nn.Linear(12, 2)), rand(1, 2, 6), "2"),
        (nn.Sequential(nn.Conv1d(2, 4, 3), nn.Conv1d(4, 4, 3, groups=2)), rand(1, 2, 9), "grouped"),
        (Call(lambda s, x: s.out(s.f(x) + s.table), f=nn.Linear(3, 3), out=nn.Linear(3, 2),
              table=nn.Parameter(torch.randn(4, 3))), rand(2, 4, 3), "add"),
    ],
    ids=["recurrent", "embedding", "flatten", "grouped convolution", "learned positions"],
)  # fmt: skip
def test_what_the_paper_does_not_know_is_exact_and_noted(
    model: nn.Module, x: Tensor, word: str
) -> None:
    assert noted(paper(model, x), word)


def test_a_persistent_buffer_that_is_added_is_left_out() -> None:
    model = Call(lambda s, x: s.out(s.f(x) * s.scale), f=nn.Linear(3, 3), out=nn.Linear(3, 2))
    model.register_buffer("scale", torch.rand(3))
    graph = paper(model, rand(2, 3))
    (slot,) = [s for s in graph.slots if s.name == "scale"]
    assert not slot.used
    assert "buffer" in slot.reason
