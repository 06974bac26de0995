from __future__ import annotations

import torch
from torch import nn

import gmn_fx
from gmn_fx.drawing import draw
from gmn_fx.drawing.neurons.heads import Block, heads_of
from tests.drawing.graphs import mlp, residual_net
from tests.drawing.pictures import of_class, parse, texts, tips


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, steps, width = x.shape
        split = self.qkv(x).view(batch, steps, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(mixed.transpose(1, 2).reshape(batch, steps, width))


def attention(width: int = 6, heads: int = 2):
    return gmn_fx.extract(Attention(width, heads), args=(torch.randn(1, 3, width),))


def test_heads_are_found_in_products_and_projections():
    graph = attention()
    blocks = heads_of(graph)
    names = {graph.groups[b.group].name or graph.groups[b.group].op for b in blocks}
    assert names == {"qkv", "matmul"}
    qkv = [b for b in blocks if graph.groups[b.group].name == "qkv"]
    group = qkv[0].group
    # Queries, keys and values of both heads.
    assert qkv == [Block(group, 3 * k, 3, k % 2) for k in range(6)]


def test_heads_are_boxed():
    picture = parse(draw(attention(), view="neuron"))
    # 6 in the projection, 2 in each product, and one in the legend.
    assert len(of_class(picture, "head")) == 11
    assert "attention head" in texts(picture)
    assert "head 1 of qkv" in tips(picture)


def test_one_head_and_no_attention_have_no_boxes():
    assert heads_of(attention(4, 1)) == []
    assert heads_of(mlp()) == []
    assert heads_of(residual_net()) == []
