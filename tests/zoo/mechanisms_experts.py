"""Mixtures of experts: stacked parameters, routing by top-k, gather, scatter and one-hot masks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.case import Case, simple
from tests.zoo.dense import mlp


class Experts(nn.Module):
    """Parameters of three experts in two stacked tensors, between a stem and a head."""

    def __init__(self, experts: int = 3, width: int = 5, hidden: int = 6) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, width), nn.Linear(width, 2)
        self.gate = nn.Linear(width, experts, bias=False)
        self.up = nn.Parameter(torch.randn(experts, width, hidden) * 0.4)
        self.down = nn.Parameter(torch.randn(experts, hidden, width) * 0.4)

    def all_experts(self, x: Tensor) -> Tensor:
        """[rows, width] -> [rows, experts, width]."""
        hidden = torch.einsum("nd,edh->neh", x, self.up)
        return torch.einsum("neh,ehd->ned", F.gelu(hidden), self.down)


class ScatterGates(Experts):
    """The top two gates scattered into zeros; all experts run."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        logits = self.gate(x)
        top, index = logits.topk(2, dim=-1)
        gates = torch.zeros_like(logits).scatter(-1, index, top.softmax(-1))
        return self.head(x + torch.einsum("ne,ned->nd", gates, self.all_experts(x)))


class OneHotGates(Experts):
    """Switch routing: the best expert by a one-hot mask, scaled by its probability."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        probability = self.gate(x).softmax(-1)
        mask = F.one_hot(probability.argmax(-1), self.gate.out_features).to(x.dtype)
        gates = probability * mask
        return self.head(x + torch.einsum("ne,ned->nd", gates, self.all_experts(x)))


class GatherOutputs(Experts):
    """The outputs of the chosen experts by `gather` along the expert axis."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        top, index = self.gate(x).softmax(-1).topk(2, dim=-1)
        outs = self.all_experts(x)
        chosen = outs.gather(1, index[..., None].expand(-1, -1, outs.shape[-1]))
        return self.head(x + (top[..., None] * chosen).sum(1))


class GatherWeights(Experts):
    """Each row reads the matrices of its own experts: parameters indexed by data."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        top, index = self.gate(x).topk(2, dim=-1)
        hidden = torch.einsum("nd,nkdh->nkh", x, self.up[index])
        outs = torch.einsum("nkh,nkhd->nkd", torch.relu(hidden), self.down[index])
        return self.head(x + (top.softmax(-1)[..., None] * outs).sum(1))


class SortedRows(Experts):
    """Rows sorted by expert, each group through its expert at once, and put back."""

    def __init__(self) -> None:
        super().__init__(width=8, hidden=16)  # the kernel wants strides of 16 bytes

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        top, index = self.gate(x).softmax(-1).topk(2, dim=-1)
        experts, order = torch.sort(index.reshape(-1))
        counts = torch.histc(experts.float(), bins=len(self.up), min=0, max=len(self.up) - 1)
        ends = counts.cumsum(0).to(torch.int32)
        rows = torch._grouped_mm(x[order // 2], self.up, offs=ends)
        rows = torch._grouped_mm(F.silu(rows), self.down, offs=ends)
        rows = rows * top.reshape(-1)[order][:, None]
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order))
        return self.head(x + rows[back].unflatten(0, (-1, 2)).sum(1))


class BatchedRows(Experts):
    """A batch of matrices, gathered by expert for every row."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        top, index = self.gate(x).softmax(-1).topk(2, dim=-1)
        rows, experts = x.repeat_interleave(2, dim=0), index.reshape(-1)
        hidden = torch.bmm(rows[:, None], self.up[experts]).relu()
        outs = torch.bmm(hidden, self.down[experts])[:, 0] * top.reshape(-1)[:, None]
        return self.head(x + outs.unflatten(0, (-1, 2)).sum(1))


class Dispatch(Experts):
    """Mesh-TensorFlow style: dispatch and combine masks with a capacity for each expert."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        probability = self.gate(x).softmax(-1)
        mask = F.one_hot(probability.argmax(-1), 3)
        place = (mask.cumsum(1) - 1) * mask
        slot = F.one_hot(place.clamp(max=1), 2).to(x.dtype)
        dispatch = slot * mask[..., None].to(x.dtype)
        taken = torch.einsum("bnd,bnec->becd", x, dispatch)
        hidden = torch.relu(torch.einsum("becd,edh->bech", taken, self.up))
        outs = torch.einsum("bech,ehd->becd", hidden, self.down)
        combine = dispatch * probability[..., None]
        return self.head(x + torch.einsum("becd,bnec->bnd", outs, combine))


class SoftMoe(nn.Module):
    """Soft MoE: slots are mixtures of tokens, tokens are mixtures of slots."""

    def __init__(self, experts: int = 3, slots: int = 2, width: int = 5) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, width), nn.Linear(width, 2)
        self.phi = nn.Parameter(torch.randn(width, experts, slots) * 0.4)
        self.up = nn.Parameter(torch.randn(experts, width, 6) * 0.4)
        self.down = nn.Parameter(torch.randn(experts, 6, width) * 0.4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        logits = torch.einsum("bmd,dnp->bmnp", x, self.phi)
        dispatch = logits.softmax(dim=1)
        combine = logits.flatten(2).softmax(dim=-1).reshape(logits.shape)
        taken = torch.einsum("bmd,bmnp->bnpd", x, dispatch)
        hidden = F.gelu(torch.einsum("bnpd,ndh->bnph", taken, self.up))
        outs = torch.einsum("bnph,nhd->bnpd", hidden, self.down)
        return self.head(torch.einsum("bnpd,bmnp->bmd", outs, combine))


class IndexAdd(nn.Module):
    """Mixtral's loop: rows that chose an expert by `torch.where`, written back by `index_add_`."""

    def __init__(self, experts: int = 3, width: int = 5) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, width), nn.Linear(width, 2)
        self.gate = nn.Linear(width, experts, bias=False)
        self.experts = nn.ModuleList(mlp(width, 6, width) for _ in range(experts))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        top, index = self.gate(x).softmax(-1).topk(2, dim=-1)
        top = top / top.sum(-1, keepdim=True)
        mask = F.one_hot(index, len(self.experts)).permute(2, 1, 0)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            place, row = torch.where(mask[number])
            out.index_add_(0, row, expert(x[row]) * top[row, place, None])
        return self.head(x + out)


class MaskedLoop(nn.Module):
    """Experts as modules, each run on all rows and masked by the choice."""

    def __init__(self, experts: int = 3, width: int = 5) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, width), nn.Linear(width, 2)
        self.gate = nn.Linear(width, experts)
        self.shared = mlp(width, 4, width)
        self.experts = nn.ModuleList(mlp(width, 6, width) for _ in range(experts))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.stem(x))
        top, index = self.gate(x).sigmoid().topk(2, dim=-1)
        out = self.shared(x)
        for number, expert in enumerate(self.experts):
            weight = torch.where(index == number, top, 0.0).sum(-1, keepdim=True)
            out = out + weight * expert(x)
        return self.head(out)


_STACKED = {
    "stem.weight": 4, "gate.weight": 1, "up": 1, "down": 1, "head.weight": 2, "head.bias": 2,
}  # fmt: skip

CASES: tuple[Case, ...] = (
    Case("moe-scatter", simple(ScatterGates, 4), classes=_STACKED),
    Case("moe-one-hot", simple(OneHotGates, 4), classes=_STACKED),
    Case("moe-gather", simple(GatherOutputs, 4), classes=_STACKED),
    Case("moe-gathered-weights", simple(GatherWeights, 4), classes=_STACKED),
    Case("moe-sorted", simple(lambda: SortedRows().bfloat16(), 4, dtype=torch.bfloat16),
         classes=_STACKED),
    Case("moe-batched", simple(BatchedRows, 4), classes=_STACKED),
    Case("moe-dispatch", simple(Dispatch, "s", 4), size=5, resized=6, classes=_STACKED),
    Case("moe-soft", simple(SoftMoe, "s", 4), size=5, resized=6,
         classes={"stem.weight": 4, "phi": 1, "up": 1, "down": 1, "head.weight": 2}),
    Case("moe-index-add", simple(IndexAdd, 4), classes={
        "stem.weight": 4, "gate.weight": 1, "experts.0.0.weight": 1, "head.weight": 2}),
    Case("moe-masked-loop", simple(MaskedLoop, 4), classes={
        "stem.weight": 4, "shared.0.weight": 1, "gate.bias": 1, "experts.1.2.weight": 1}),
)  # fmt: skip
