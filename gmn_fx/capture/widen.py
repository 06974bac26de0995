"""Wider examples for models whose path depends on data: more rows reach more of the model.

A mixture of experts that is traced on a few tokens shows only the experts that these tokens were
sent to. The rest of the network does not depend on the batch, so a larger batch of values like
the given ones is as good an example, and a better one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

TIMES = 8
LARGEST = 10_000_000  # elements


def widened(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any | None:
    """`(args, kwargs)` with `TIMES` as many rows, the new ones drawn like the given; None if not.

    Rows are entries of the first axis, of every tensor that has as many as the first tensor.
    """
    tensors = [t for t in pytree.tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
    if not tensors or any(t.is_meta for t in tensors) or not tensors[0].dim():
        return None
    rows = tensors[0].shape[0]
    if TIMES * sum(t.numel() for t in tensors) > LARGEST or not rows:
        return None
    generator = torch.Generator().manual_seed(0)

    def wide(tensor: Tensor) -> Tensor:
        if not tensor.dim() or tensor.shape[0] != rows:
            return tensor
        new = [_like(tensor, generator) for _ in range(TIMES - 1)]
        return torch.cat([tensor.detach(), *new])

    return pytree.tree_map_only(Tensor, wide, (args, kwargs))


def _like(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Other values of the same kind: floats by mean and spread, integers from the same range."""
    plain = tensor.detach()
    if plain.dtype == torch.bool or plain.is_complex() or not plain.numel():
        return plain
    if plain.is_floating_point():
        noise = torch.randn(plain.shape, generator=generator).to(plain)
        return plain.mean() + noise * plain.std(correction=0)
    low, high = int(plain.min()), int(plain.max())
    return torch.randint(low, high + 1, plain.shape, generator=generator).to(plain)
